"""Values of functions that are asked for by name: scores of features, distances of samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from autotransfer.data.untrusted_files import refused_as
from autotransfer.errors import UndefinedScoreError, UnknownNameError

GivenT = TypeVar("GivenT")


def named_values(
    kind: str,
    known: Mapping[str, Callable[[GivenT], float]],
    names: Sequence[str] | None,
    read: Callable[[], GivenT],
) -> dict[str, float]:
    """Return the value of each function, in the order asked for; None is all that have one.

    What a library cannot compute, or makes NaN, is undefined.

    Args:
        kind: What is named, in the singular ("measure").
        known: The functions.
        names: Of some of them, or one name.
        read: Returns what they are called with; called once the names are known.

    Raises:
        UnknownNameError: If there is no function of a name.
        UndefinedScoreError: If a named function has no value here.
    """
    wanted = [names] if isinstance(names, str) else names
    for name in wanted or ():
        if name not in known:
            raise UnknownNameError(kind, name, list(known))
    given, found = read(), {}
    for name in known if wanted is None else wanted:
        try:
            found[name] = _defined(name, known[name], given)
        except UndefinedScoreError:
            if wanted is not None:
                raise
    return found


def _defined(name: str, function: Callable[[GivenT], float], given: GivenT) -> float:
    with refused_as(UndefinedScoreError, f"{name} has no value here"):
        value = float(function(given))
        if math.isnan(value):
            raise UndefinedScoreError(f"{name} has no value here: it is NaN")
    return value
