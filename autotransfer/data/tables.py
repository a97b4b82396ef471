"""Tables in files: Parquet, JSON lines, and CSV in the encodings and separators of today."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from autotransfer.data.listing import named, shortened
from autotransfer.data.storage import Location
from autotransfer.data.texts.decoding import LONGEST, decode_text
from autotransfer.errors import InvalidTargetError

if TYPE_CHECKING:
    import pandas as pd

_SEPARATORS = ",;\t|"
_FOREIGN = {
    b"PK\x03\x04": "an Excel file or an archive",
    b"\xd0\xcf\x11\xe0": "an Excel file",
    b"PAR1": "a Parquet file, whose name must end in .parquet",
    b"\x1f\x8b": "a compressed file",
    b"{": "JSON",
    b"[": "JSON",
    b"<": "HTML or XML",
}
_SAVE = "save the table as CSV in UTF-8"


def read_table(place: Location) -> pd.DataFrame:
    """Return the rows of a table; the cells of a CSV are text.

    Raises:
        InvalidTargetError: If it cannot be read as a table with one name for each column and as
            many fields in each row.
    """
    try:
        content = place.read()
        ending = place.root.lower().rpartition(".")[2]
        table = {"parquet": _parquet, "jsonl": _json_lines}.get(ending, _csv)(content)
    except InvalidTargetError:
        raise
    except Exception as error:
        what = shortened(error) or type(error).__name__
        raise InvalidTargetError(f"{place.text}: cannot be read as a table ({what})") from error
    return plain_columns(table, place.text)


def cell_text(value: object) -> str:
    """Return a cell as text without blanks at its ends; empty where there is nothing in it."""
    missing = value is None or value != value  # NaN is how a table lacks one
    return "" if missing else str(value).strip()


def plain_columns(table: pd.DataFrame, text: str) -> pd.DataFrame:
    """Return a table whose columns have different names of text; a named index is a column.

    Raises:
        InvalidTargetError: If two columns have the same name.
    """
    if any(name is not None for name in table.index.names):
        table = table.reset_index(allow_duplicates=True)
    names = [str(name).strip() for name in table.columns]
    twice = sorted(name for name, count in Counter(names).items() if count > 1 and name)
    if twice:
        raise InvalidTargetError(f"{text}: more than one column is called {named(twice)}")
    return table.set_axis(names, axis="columns")


def _csv(content: bytes) -> pd.DataFrame:
    """Return rows whose fields may be as long as a text; `csv` stops at 131,072 characters."""
    before = csv.field_size_limit(2 * LONGEST)
    try:
        return _frame(content)
    finally:
        csv.field_size_limit(before)


def _frame(content: bytes) -> pd.DataFrame:
    import pandas as pd

    rows = _rows(_decoded(content))
    line, header = next(rows, (0, []))
    if not header:
        raise ValueError("it is empty")
    found = []
    for line, row in rows:
        if len(row) != len(header):
            raise ValueError(
                f"line {line} has {len(row)} field(s), the first line {len(header)}; a field with "
                "a comma in it needs quotes"
            )
        found.append(row)
    return pd.DataFrame(found, columns=header, dtype=object)


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, with their lines."""
    separator, text = _separated(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}; is a quote missing?") from error


def _separated(text: str) -> tuple[str, str]:
    """Return the separator, which divides the first line into most fields, and the table."""
    first = next((line for line in io.StringIO(text, newline="") if line.strip()), "")
    if first.lower().startswith("sep=") and len(first.strip()) == 5:  # a hint for Excel
        return first[4], text[text.index(first) + len(first) :]
    return max(_SEPARATORS, key=lambda s: len(next(csv.reader([first], delimiter=s), []))), text


def _decoded(content: bytes) -> str:
    for start, kind in _FOREIGN.items():
        if content.startswith(start):
            raise ValueError(f"it is {kind}; {_SAVE}")
    text = decode_text(content, _SAVE)
    if "\0" in text:
        raise ValueError(f"it has NUL characters; {_SAVE}")
    return text


def _json_lines(content: bytes) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for number, line in enumerate(content.decode("utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"line {number} is no JSON ({error})") from None
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is a {type(row).__name__}, not an object with keys")  # noqa: TRY004 - told as the others
        rows.append(row)
    return pd.DataFrame(rows, dtype=object)


def _parquet(content: bytes) -> pd.DataFrame:
    import pandas as pd

    table = pd.read_parquet(io.BytesIO(content))
    for column, names in _numbered_classes(content).items():
        if column in table:
            table[column] = table[column].map(dict(enumerate(names)))
    return table


def _numbered_classes(content: bytes) -> dict[str, list[str]]:
    """Return the class names that Hugging Face writes beside a column of numbers."""
    import pyarrow.parquet

    metadata = pyarrow.parquet.read_schema(io.BytesIO(content)).metadata or {}
    said: Any = json.loads(metadata.get(b"huggingface", b"{}"))
    features = said.get("info", {}).get("features", {})
    return {
        column: feature["names"]
        for column, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
    }
