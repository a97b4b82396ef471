"""What can be refused before the libraries are loaded, which takes seconds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from autotransfer.errors import InvalidSourceError

_PLACES = ("source_data", "unlabelled", "through", "attributes", "descriptions")
_ADDRESS = ("://", "::")  # an fsspec URL


def refuse_early(target: str, options: Mapping[str, Any]) -> None:
    """Refuse what is plainly wrong, in the words of the check that would come later.

    Args:
        target: What the command is about.
        options: As the command line has read them.

    Raises:
        InvalidTargetError: If a file or folder that is named is not there.
        InvalidSourceError: If a catalogue is not there.
        InvalidOptionError: If the budget is not understood, or a number is out of range.
    """
    from autotransfer.scenarios.budget import Budget
    from autotransfer.scenarios.option_checks import NUMBERS, check_number

    if options.get("budget") is not None:
        Budget.parse(options["budget"])
    for name in NUMBERS:
        check_number(name, options.get(name))
    for place in (target, *_named(options, _PLACES)):
        if not any(mark in place for mark in _ADDRESS) and not os.path.lexists(place):
            from autotransfer.data.storage import open_place

            open_place(place)
    for catalogue in _named(options, ("sources",)):
        if catalogue.endswith(".toml") and not os.path.lexists(catalogue):
            raise InvalidSourceError(f"catalogue {catalogue}: there is no such file")


def _named(options: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        value = options.get(name) or ()
        yield from (value,) if isinstance(value, str) else value
