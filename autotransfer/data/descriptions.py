"""Classes described by a sentence each: the table and its checks."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from autotransfer.data.listing import named
from autotransfer.data.storage import open_place
from autotransfer.data.tables import cell_text, read_table
from autotransfer.data.texts.near_duplicates import normalised
from autotransfer.errors import InvalidTargetError

COLUMNS = ("class", "description")
_NAMED = 20


def read_descriptions(table: Any) -> dict[str, str]:
    """Return what is said of each class.

    Args:
        table: A file with the columns class and description, or a mapping from class to text.

    Raises:
        InvalidTargetError: If it cannot be used; the message says what to do.
    """
    title = title_of(table)
    rows = [(str(name), cell_text(text)) for name, text in _rows(table, title)]
    if not rows:
        raise InvalidTargetError(f"{title}: it describes no class; add a row for each class")
    found: dict[str, str] = {}
    for given, text in rows:
        name = unicodedata.normalize("NFC", given.strip())
        if name in found:
            raise InvalidTargetError(
                f"{title}: class {name!r} occurs more than once; keep one description of each"
            )
        found[name] = text
    blank = [name for name, text in found.items() if not text]
    if blank:
        raise InvalidTargetError(
            f"{title}: no description of {named(blank, _NAMED)}; write a sentence about each class"
        )
    same = defaultdict(list)
    for name, text in found.items():
        same[normalised(text)].append(name)
    for names in same.values():
        if len(names) > 1:
            raise InvalidTargetError(
                f"{title}: {named(names, _NAMED)} have the same description; say what tells them "
                "apart"
            )
    return found


def title_of(table: Any) -> str:
    """Return what a table is called in messages."""
    return str(table) if isinstance(table, str | os.PathLike) else "the descriptions"


def _rows(table: Any, title: str) -> list[tuple[Any, Any]]:
    if isinstance(table, Mapping):
        return list(table.items())
    if not isinstance(table, str | os.PathLike):
        raise InvalidTargetError(
            f"descriptions must be a file with the columns {' and '.join(COLUMNS)}, or a mapping "
            f"from class to text, got a {type(table).__name__}"
        )
    found = read_table(open_place(os.fspath(table)))
    missing = [column for column in COLUMNS if column not in found.columns]
    if missing:
        raise InvalidTargetError(
            f"{title}: no column {' and '.join(map(repr, missing))}; the columns class and "
            f"description are needed (there are {named(list(map(str, found.columns)), _NAMED)})"
        )
    return list(zip(found[COLUMNS[0]], found[COLUMNS[1]], strict=True))
