"""CSV files in which no spreadsheet finds a formula.

A cell of text that begins with = + - @, a tab or a line break, maybe after blanks, is run by a
spreadsheet, and names of files and of classes come from anywhere. Such a cell is written with an
apostrophe in front; numbers and all other text stay as they are. `plain` takes it away again.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

_FORMULA = re.compile(r"[\s'\ufeff\0]*[=+\-@\uff1d\uff0b\uff0d\uff20]|'*[\t\r\n]")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


def csv_text(rows: Iterable[Sequence[object]], lineterminator: str = "\r\n") -> str:
    """Return rows as CSV; every text that a spreadsheet would run has an apostrophe in front."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=lineterminator)
    for row in rows:
        writer.writerow([f"'{c}" if isinstance(c, str) and _runs(c) else c for c in row])
    return text.getvalue()


def plain(cell: str) -> str:
    """Return what `csv_text` was given for a cell."""
    return cell[1:] if cell.startswith("'") and _runs(cell[1:]) else cell


def _runs(cell: str) -> bool:
    return bool(_FORMULA.match(cell)) and not _NUMBER.fullmatch(cell)
