"""Names of classes: one form of Unicode, fit to be stored, and those that look alike."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from autotransfer.data.listing import Listing, bytewise, named, readable
from autotransfer.errors import InvalidTargetError

_MISSING = frozenset({"nan", "na", "n/a", "<na>", "none", "null", "nil", "#n/a", "-", "?", ""})
_SEVERAL = re.compile(r"[|;,]")  # between two labels in one cell
_LONGEST = 500  # characters
_NAMED = 5
_BETWEEN_WORDS = re.compile(r"[\s_-]+")


def with_settled_classes(listing: Listing) -> Listing:
    """Return a listing whose classes have composed (NFC) names, with notes on doubtful ones.

    File systems and spreadsheets write an accent in one character or in two; both are one class.

    Raises:
        InvalidTargetError: If a name is blank, too long, no UTF-8 or has control characters.
    """
    if listing.classes is None:
        return listing
    given = {*listing.classes, *listing.class_names}
    composed = {name: unicodedata.normalize("NFC", name) for name in given}
    names: Sequence[str] = list(dict.fromkeys(composed[name] for name in listing.class_names))
    if list(listing.class_names) == bytewise(listing.class_names):
        names = bytewise(names)
    refuse_unfit_names(names, listing.name)
    joined = [name for name, forms in Counter(composed.values()).items() if forms > 1]
    notes = [f"written in two forms of Unicode, used as one class: {named(joined)}"] * bool(joined)
    return replace(
        listing,
        classes=[composed[name] for name in listing.classes],
        class_names=tuple(names),
        notes=(*listing.notes, *notes, *_doubts(names)),
    )


def refuse_unfit_names(names: Iterable[str], where: str) -> None:
    """Refuse names of classes that cannot be stored or told from nothing.

    Raises:
        InvalidTargetError: If a name is blank, too long, no UTF-8 or has control characters.
    """
    for name in names:
        if not name.strip():
            raise InvalidTargetError(f"{where}: the name of a class is blank; give it a name")
        if len(name) > _LONGEST:
            raise InvalidTargetError(
                f"{where}: the name of the class {named([name])} has {len(name):,} characters, "
                f"the limit is {_LONGEST}; rename it"
            )
        if readable(name) != name:
            raise InvalidTargetError(
                f"{where}: the name of the class {named([name])} is no UTF-8 or has control "
                "characters; rename it"
            )


def _doubts(names: Sequence[str]) -> list[str]:
    """Return notes on classes that are perhaps one, or none; they stay as they are."""
    alike = defaultdict(list)
    for name in names:
        alike[_likeness(name)].append(name)
    known = set(names)
    found = {
        "differ in case, spaces or form only": [
            named(group) for group in alike.values() if len(group) > 1
        ],
        "look like a missing label": [
            named([name]) for name in names if name.strip().casefold() in _MISSING
        ],
        "look like several labels in one": [
            named([name]) for name in names if _holds_several(name, known)
        ],
    }
    return [
        f"names of classes that {what}: {'; '.join(doubtful[:_NAMED])}"
        f"{f'; and {len(doubtful) - _NAMED} more' if len(doubtful) > _NAMED else ''}; each is a "
        "class of its own, so correct the labels if that is not meant"
        for what, doubtful in found.items()
        if doubtful
    ]


def _likeness(name: str) -> str:
    """Return what names share that differ in case, spaces, width or the form of a number."""
    text = unicodedata.normalize("NFKC", name).casefold()
    text = "".join(c for c in text if unicodedata.category(c) != "Cf").strip()  # of no width
    return _number(text) or _BETWEEN_WORDS.sub(" ", text)


def _number(text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        return ""
    return repr(value) if math.isfinite(value) and "_" not in text else ""


def _holds_several(name: str, known: set[str]) -> bool:
    parts = [part.strip() for part in _SEVERAL.split(name)]
    listed = name.startswith("[") and name.endswith("]")
    return listed or (len(parts) > 1 and any(part in known for part in parts))
