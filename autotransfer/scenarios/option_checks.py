"""What is accepted at the start can be kept at the end: options are checked before any work."""

from __future__ import annotations

import operator
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autotransfer.errors import InvalidOptionError

_ABOVE_0 = "a number above 0, and at most 1e9"
# Least and largest value, and what is allowed in words. Where the least is a whole number, all
# are; where it is 0.0, it is not allowed itself.
NUMBERS: Mapping[str, tuple[float, float, str]] = {
    "trials": (1, 10**9, "a whole number from 1 to 1000000000"),
    "max_sources": (1, 10**9, "a whole number from 1 to 1000000000"),
    "workers": (1, 10**6, "a whole number from 1 to 1000000"),
    "seed": (0, 2**32 - 1, "a whole number from 0 to 4294967295"),  # what NumPy takes
    "seconds": (0.0, 1e9, _ABOVE_0),
    "max_mb": (0.0, 1e9, _ABOVE_0),
    "max_ms": (0.0, 1e9, _ABOVE_0),
    "memory": (0.0, 1e9, _ABOVE_0),
    "margin": (-1e-300, 1e9, "a number from 0 to 1e9, in units of the score"),
}
_TEXTS = (
    "scenario", "metric", "sampler", "executor", "ray_address", "storage", "tracking_uri",
    "device", "on_bad_image", "group_column", "domain_column",
    "modality",
)  # fmt: skip
_SWITCHES = (
    "refit", "ensemble", "single", "warm_start", "keep_searching", "promote", "resume", "guard",
    "report", "verbose",
)  # fmt: skip
_LISTS = ("classes", "source", "strategies", "plugins", "labels", "new_classes")
_LONGEST = {"name": 200, "experiment": 400, "register": 200}  # bytes
_NO_TEXT = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of characters, line ends


def check_options(given: Mapping[str, Any]) -> None:
    """Refuse options with which a fit could not begin, or its result could not be kept.

    Args:
        given: The value of every field of `Options`.

    Raises:
        InvalidOptionError: Naming the option, its value and what is allowed.
    """
    # the command line refuses a budget before these are loaded
    from autotransfer.data.checking import BAD_IMAGE_RULES
    from autotransfer.models.catalogue.licences import Licences
    from autotransfer.search.executors import executor_named
    from autotransfer.search.storage import check_database
    from autotransfer.search.study import sampler_named
    from autotransfer.tracking.places import OFF, check_uri

    _check_kinds(given)
    _check_names(given, OFF)
    _check_folders(given)
    Licences.of(given["license"])
    executor_named(given["executor"], given["workers"], given["ray_address"])
    sampler_named(given["sampler"], given["seed"])
    if given["on_bad_image"] not in BAD_IMAGE_RULES:
        raise InvalidOptionError(
            f"on_bad_image must be one of {', '.join(BAD_IMAGE_RULES)}, got "
            f"{given['on_bad_image']!r}"
        )
    beside = [name for name in ("group_column", "labels") if given[name]]
    by_domain = [name for name in ("domain_column", "domains") if given[name] is not None]
    beside += by_domain[1:]
    if by_domain and beside:
        raise InvalidOptionError(
            f"{beside[0]} cannot be used beside {by_domain[0]}: whole domains are left out; leave "
            "one of the two out"
        )
    if isinstance(given["domains"], str) or not isinstance(given["domains"], Iterable | None):
        raise InvalidOptionError(
            f"domains must name the domain of each item, got {given['domains']!r}; a column of a "
            "table is domain_column"
        )
    if given["storage"] is not None:
        check_database(given["storage"], "storage")
    if given["tracking_uri"] not in (None, OFF):
        check_uri(str(given["tracking_uri"]))


def check_number(option: str, value: Any) -> None:
    """Refuse what is no number, not a whole one where it has to be, or out of range.

    Raises:
        InvalidOptionError: Naming the option, its value and what is allowed.
    """
    if value is None:
        return
    least, largest, allowed = NUMBERS[option]
    whole = isinstance(least, int)
    try:
        number = operator.index(value) if whole else float(value)
        right = not isinstance(value, bool | str) and number <= largest
        right = right and (number >= least if whole else number > least)
    except (TypeError, ValueError, OverflowError):
        right = False
    if not right:
        shown = repr(value) if len(repr(value)) <= 40 else f"{repr(value)[:40]}..."
        raise InvalidOptionError(f"{option} must be {allowed}, got {shown}")


def check_list(option: str, value: Any) -> None:
    """Refuse a single text where several are taken: its letters would be the items.

    Raises:
        InvalidOptionError: If it is no list.
    """
    if isinstance(value, str | os.PathLike) or not isinstance(value, Sequence | set | frozenset):
        raise InvalidOptionError(f"{option} must be a list, got {value!r}; write [{value!r}]")


def check_name(option: str, name: Any, forbidden: str = "", *, folder: bool = False) -> None:
    """Refuse a name that a database or MLflow, or a folder, could not have.

    Raises:
        InvalidOptionError: Naming the option and the reason.
    """
    if not isinstance(name, str):
        raise InvalidOptionError(f"{option} must be a text, got {name!r}")
    odd = [c for c in name if c in forbidden or unicodedata.category(c) in _NO_TEXT]
    reason = ""
    if not any(map(str.isalnum, name)):
        reason = "it has no letter or digit"
    elif odd:
        reason = f"{odd[0]!r} is not allowed in it"
    elif len(name.encode()) > _LONGEST[option]:
        reason = f"it is longer than {_LONGEST[option]} bytes"
    elif folder and (name != name.strip() or name.endswith(".")):
        reason = "it must not begin or end with a space, nor end with a dot"
    elif folder and name.startswith("-"):
        reason = "it must not begin with a hyphen, as options do"
    if reason:
        shown = name if len(name) <= 40 else f"{name[:40]}..."
        raise InvalidOptionError(f"{option} {shown!r}: {reason}; choose another one")


def _check_kinds(given: Mapping[str, Any]) -> None:
    for option in NUMBERS:
        check_number(option, given.get(option))
    for options, kinds, allowed in (
        (_TEXTS, str | None, "a text"),
        (_SWITCHES, bool | np.bool_ | None, "True or False"),  # None is the default
        (("space",), str | os.PathLike, "a name or a file"),
    ):
        for option in options:
            if not isinstance(given[option], kinds):
                raise InvalidOptionError(f"{option} must be {allowed}, got {given[option]!r}")
    for option in _LISTS:
        check_list(option, given[option])


def _check_names(given: Mapping[str, Any], off: str) -> None:
    check_name("experiment", given["experiment"])
    if given["name"] is not None:
        check_name("name", given["name"], "/\\", folder=True)  # one in the workspace is called so
    if given["register"] is None:
        if given["promote"]:
            raise InvalidOptionError("promote is for a registered model; give register as well")
        return
    check_name("register", given["register"], "/:@'\"\\")  # MLflow's, and models:/NAME@ALIAS
    if given["tracking_uri"] == off:
        raise InvalidOptionError(
            f"register {given['register']!r} needs MLflow, and tracking_uri is off; leave out one"
        )


def _check_folders(given: Mapping[str, Any]) -> None:
    """Refuse folders whose path no file system, or no record of a fit, can have."""
    for option in ("out", "workspace"):
        value = given[option]
        if not isinstance(value, str | os.PathLike | None):
            raise InvalidOptionError(f"{option} must be the path of a folder, got {value!r}")
        try:
            path = str(Path("." if value is None else value).resolve())
            path.encode()
        except (OSError, ValueError, RuntimeError) as error:
            raise InvalidOptionError(
                f"{option} {str(value or Path())!r} cannot be the folder of a fit ({error}); "
                "choose another one"
            ) from error
    if given["out"] is not None and given["name"] is None:
        try:
            check_name("name", Path(given["out"]).name, "/\\", folder=True)
        except InvalidOptionError as error:
            raise InvalidOptionError(
                f"out {str(given['out'])!r}: the study is called like the folder, and cannot be "
                f"({error})"
            ) from None
