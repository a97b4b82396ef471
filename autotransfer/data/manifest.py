"""Manifests: a CSV or Parquet table with one row a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from autotransfer.data.tree import SPLITS
from autotransfer.errors import InvalidTargetError

_REQUIRED = ("image",)


@dataclass(frozen=True)
class Manifest:
    """The rows of a manifest.

    Args:
        paths: Where each picture is; relative paths start at the manifest.
        names: The paths as written.
        splits: "train", "validation", "test" or "".
        labels: Class of each picture; None without the column.
        groups: Group of each picture; None without the column.
        notes: Columns that were ignored.
    """

    paths: tuple[str, ...]
    names: tuple[str, ...]
    splits: tuple[str, ...]
    labels: tuple[str, ...] | None
    groups: tuple[str, ...] | None
    notes: tuple[str, ...]


def read_manifest(path: Path) -> Manifest:
    """Return a manifest with the columns image, label, and optionally split and group.

    Raises:
        InvalidTargetError: If it cannot be read, a column or a value is missing, a split is
            unknown, or a picture is not there.
    """
    try:
        if path.suffix.lower() == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InvalidTargetError(f"{path}: cannot be read as a table ({error})") from error
    for column in _REQUIRED:
        if column not in table:
            raise InvalidTargetError(
                f"{path}: no column {column!r}; it has {', '.join(map(str, table.columns))}"
            )
    if not len(table):
        raise InvalidTargetError(f"{path}: the table is empty")
    names = _column(table, "image", path)
    assert names is not None
    paths = tuple(str(path.parent / name) for name in names)
    missing = [name for name, file in zip(names, paths, strict=True) if not Path(file).is_file()]
    if missing:
        raise InvalidTargetError(
            f"{path}: {len(missing)} picture(s) are not there, such as {missing[0]}; paths are "
            "relative to the manifest"
        )
    known = {"image", "label", "split", "group"}
    notes = tuple(f"column {c!r} was ignored" for c in map(str, table.columns) if c not in known)
    labels = _column(table, "label", path)
    return Manifest(
        paths, names, _splits(table, path), labels, _column(table, "group", path), notes
    )


def _column(table: pd.DataFrame, name: str, path: Path) -> tuple[str, ...] | None:
    if name not in table:
        return None
    empty = table[name].isna() | (table[name].astype(str).str.strip() == "")
    if empty.any():
        row = int(empty.to_numpy().argmax())
        raise InvalidTargetError(f"{path}: column {name!r} is empty in row {row + 1}")
    return tuple(table[name].astype(str))


def _splits(table: pd.DataFrame, path: Path) -> tuple[str, ...]:
    column = _column(table, "split", path)
    if column is None:
        return ("",) * len(table)
    for name in column:
        if name.lower() not in SPLITS:
            raise InvalidTargetError(
                f"{path}: unknown split {name!r}; allowed: {', '.join(SPLITS)}"
            )
    return tuple(SPLITS[name.lower()] for name in column)
