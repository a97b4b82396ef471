"""Manifests: a CSV or Parquet table with one row an image."""

from __future__ import annotations

import io
import posixpath
from collections.abc import Sequence
from itertools import pairwise

import pandas as pd

from autotransfer.data.images.reading import FileReader
from autotransfer.data.listing import SPLITS, Listing, bytewise, path_bytes
from autotransfer.data.storage import Location
from autotransfer.errors import InvalidTargetError

GROUP = "group"
_COLUMNS = ("image", "label", "split", GROUP)


def read_manifest(place: Location, group_column: str = GROUP) -> Listing:
    """Return the images of a table with the column image and maybe label, split and group.

    Paths are relative to the manifest; the images come in bytewise path order. Whether they
    are there is found out when they are read.

    Args:
        place: The table.
        group_column: The column that names the group; it has to be there unless it is "group".

    Raises:
        InvalidTargetError: If it cannot be read, a column or a value is missing, a split is
            unknown, or an image is listed twice with different values.
    """
    table = _table(place)
    if "image" not in table:
        raise InvalidTargetError(
            f"{place.text}: no column 'image'; it has {', '.join(map(repr, table.columns))}. A "
            "manifest has the columns image, label and maybe split and group, with commas between"
        )
    if not len(table):
        raise InvalidTargetError(f"{place.text}: the table has no rows")
    if group_column != GROUP:
        if group_column not in table:
            raise InvalidTargetError(
                f"{place.text}: no column {group_column!r} to group by; it has "
                f"{', '.join(map(repr, table.columns))}"
            )
        table = table.assign(**{GROUP: table[group_column]})
    table = table.assign(image=list(_filled(table, "image", place)))
    known = [column for column in _COLUMNS if column in table]
    rows = table[known].drop_duplicates()
    notes = _notes(table, len(table) - len(rows))
    rows = rows.sort_values("image", key=lambda column: column.map(path_bytes))
    names = _filled(rows, "image", place)
    _refuse_contradictions(names, place)
    folder = posixpath.dirname(place.root)
    paths = [posixpath.normpath(posixpath.join(folder, name)) for name in names]
    classes = _filled(rows, "label", place) if "label" in known else None
    return Listing(
        FileReader(place.filesystem, paths, names),
        _splits(rows, place),
        classes,
        tuple(bytewise(set(classes or ()))),
        _filled(rows, "group", place) if "group" in known else None,
        notes,
        place.name,
    )


def _table(place: Location) -> pd.DataFrame:
    try:
        content = io.BytesIO(place.read())
        if place.root.lower().endswith(".parquet"):
            return pd.read_parquet(content)
        # utf-8-sig: spreadsheets put a byte-order mark before the first column's name
        return pd.read_csv(content, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InvalidTargetError(f"{place.text}: cannot be read as a table ({error})") from error


def _filled(table: pd.DataFrame, column: str, place: Location) -> tuple[str, ...]:
    """Return a column as text, none of it empty."""
    missing = table[column].isna()
    values = [str(value).strip() for value in table[column]]
    for i, value in enumerate(values):
        if not value or missing.iloc[i]:
            where = table["image"].iloc[i] if column != "image" else f"row {i + 1}"
            raise InvalidTargetError(
                f"{place.text}: the column {column!r} is empty for {where}; fill it in, or leave "
                "the row out"
            )
    return tuple(values)


def _splits(table: pd.DataFrame, place: Location) -> tuple[str, ...]:
    if "split" not in table:
        return ("train",) * len(table)
    names = _filled(table, "split", place)
    unknown = bytewise({name for name in names if name.lower() not in SPLITS})
    if unknown:
        raise InvalidTargetError(
            f"{place.text}: unknown split {unknown[0]!r}; allowed: {', '.join(SPLITS)}"
        )
    return tuple(SPLITS[name.lower()] for name in names)


def _refuse_contradictions(names: Sequence[str], place: Location) -> None:
    """Refuse an image with two rows that differ; rows that are the same are one by now."""
    for name, following in pairwise(names):
        if name == following:
            raise InvalidTargetError(
                f"{place.text}: {name} is listed more than once, with different values"
            )


def _notes(table: pd.DataFrame, num_repeated: int) -> tuple[str, ...]:
    notes = [f"the column {c!r} was ignored" for c in table.columns if c not in _COLUMNS]
    if num_repeated:
        notes.append(f"{num_repeated} row(s) that repeat another were left out")
    return tuple(notes)
