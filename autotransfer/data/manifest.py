"""Manifests: a table with one row an image."""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from fsspec.archive import AbstractArchiveFileSystem
from fsspec.implementations.local import LocalFileSystem

from autotransfer.data.images.reading import FileReader
from autotransfer.data.labels import flat_labels
from autotransfer.data.listing import SPLITS, Listing, bytewise, named, path_bytes, shortened
from autotransfer.data.storage import Location
from autotransfer.data.tables import plain_columns, read_table
from autotransfer.errors import InvalidTargetError

_IMAGE, _LABEL, _SPLIT, _GROUP = "image", "label", "split", "group"
_COLUMNS: Mapping[str, tuple[str, ...]] = {  # further names, without case, spaces, - and _
    _IMAGE: (
        *("images", "img", "picture", "imagepath", "imagefile", "imagename"),
        *("file", "filename", "filepath", "path"),
    ),
    _LABEL: ("labels", "class", "classname", "classlabel", "category", "target"),
    _SPLIT: ("splits",),
    _GROUP: ("groups",),
}
_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_WINDOWS = re.compile(r"[a-z]:[\\/]|\\\\", re.IGNORECASE)
_LONGEST_PATH = 4096  # characters


def read_manifest(
    place: Location, group_column: str | None = None, *, every_row: bool = False
) -> Listing:
    """Return the images of a table with the column image and maybe label, split and group.

    Paths are relative to the manifest; the images come in bytewise path order. Whether they
    are there is found out when they are read. The cells of a Parquet table may hold the encoded
    images themselves, as bytes or as Hugging Face's bytes and path; these keep their order.

    Args:
        place: The table.
        group_column: The column that names the group; None is "group" if it is there.
        every_row: Whether there is one image for each row, in the order of the rows, as is right
            for predictions; nothing but the column of images is read then.

    Raises:
        InvalidTargetError: If it cannot be read, a column or a value is missing, a split is
            unknown, or an image is listed twice with different values.
    """
    return _listing(read_table(place), place, group_column, every_row=every_row)


def is_frame(target: Any) -> bool:
    """Return whether this is a table in memory: of pandas, Polars or Arrow."""
    if isinstance(target, pd.DataFrame):
        return True
    table = hasattr(target, "to_pandas") and hasattr(target, "columns")  # not a column alone
    return table and not hasattr(target, "features")  # a dataset of Hugging Face has them


def read_frame(
    frame: Any,
    labels: Any | None = None,
    group_column: str | None = None,
    *,
    every_row: bool = False,
) -> Listing:
    """Return the images of a table in memory; paths are relative to the working folder.

    Args:
        frame: A table as in `read_manifest`, of pandas or with `to_pandas`.
        labels: (n,) labels; None takes those of the table, if it has some.
        group_column: As in `read_manifest`.
        every_row: As in `read_manifest`.

    Raises:
        InvalidTargetError: As in `read_manifest`.
    """
    place = Location("the table", LocalFileSystem(), str(Path.cwd() / "table"))
    table = plain_columns(frame.to_pandas() if hasattr(frame, "to_pandas") else frame, place.text)
    if labels is not None:
        given = flat_labels(labels, len(table)).tolist()
        table = table.assign(**{_LABEL: pd.Series(given, table.index, dtype=object)})
    return _listing(table, place, group_column, every_row=every_row)


def _listing(
    table: pd.DataFrame, place: Location, group_column: str | None, *, every_row: bool
) -> Listing:
    column_of = _columns(table, place, group_column, [_IMAGE] if every_row else [*_COLUMNS])
    if not len(table):
        raise InvalidTargetError(f"{place.text}: the table has no rows")
    contents, names = _images(list(table[column_of[_IMAGE]]), column_of[_IMAGE], place)
    notes = _notes(table, column_of, group_column)
    told = {
        meaning: [
            unicodedata.normalize("NFC", text)
            for text in _filled(list(table[column_of[meaning]]), column_of[meaning], place, names)
        ]
        for meaning in (_LABEL, _SPLIT, _GROUP)
        if meaning in column_of
    }
    order: Sequence[int] = range(len(names))
    paths: Sequence[Any] = order
    if contents is None:
        paths, spelt = _paths(names, place)
        notes = (*notes, *spelt)
    if contents is None and not every_row:
        order, repeated = _without_repetitions(names, paths, [*told.values()], place)
        notes = (*notes, *repeated)
    rows = {meaning: tuple(texts[i] for i in order) for meaning, texts in told.items()}
    return Listing(
        FileReader(
            contents or place.filesystem, [paths[i] for i in order], [names[i] for i in order]
        ),
        _splits(rows[_SPLIT], place) if _SPLIT in rows else ("train",) * len(order),
        rows.get(_LABEL),
        tuple(bytewise(set(rows.get(_LABEL, ())))),
        rows.get(_GROUP),
        notes,
        place.name,
    )


def _columns(
    table: pd.DataFrame, place: Location, group_column: str | None, meanings: Sequence[str]
) -> dict[str, str]:
    """Return the name of the column for each of the meanings that the table has."""
    found = {meaning: _column(table, meaning, place) for meaning in meanings}
    if group_column is not None:
        found[_GROUP] = next(_matching(table, (group_column,)), None)
        if found[_GROUP] is None:
            raise InvalidTargetError(
                f"{place.text}: no column {named([group_column])} to group by; it has "
                f"{named(table.columns, most=20)}"
            )
    if found[_IMAGE] is None:
        raise InvalidTargetError(
            f"{place.text}: no column 'image'; it has {named(table.columns, most=20)}. The first "
            "row of a manifest names its columns: image, label and maybe split and group"
        )
    return {meaning: column for meaning, column in found.items() if column is not None}


def _column(table: pd.DataFrame, meaning: str, place: Location) -> str | None:
    if meaning in table:
        return meaning
    found = [*_matching(table, (meaning,))] or [*_matching(table, _COLUMNS[meaning])]
    if len(found) > 1:
        raise InvalidTargetError(
            f"{place.text}: {named(found)} could each be the column {meaning!r}; call the one "
            f"that is meant {meaning!r}"
        )
    return found[0] if found else None


def _matching(table: pd.DataFrame, names: Sequence[str]) -> Iterator[str]:
    """Yield the columns of these names, an exact one first."""
    yield from (column for column in table.columns if column in names)
    plain = {_plain(name) for name in names}
    yield from (c for c in table.columns if c not in names and _plain(c) in plain)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()


def _filled(
    values: Sequence[Any], column: str, place: Location, names: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return a column as text, none of it empty; images are named by their own column."""
    return tuple(
        _text(value, column, place, shortened(names[i]) if names else f"row {i + 1}")
        for i, value in enumerate(values)
    )


def _text(value: Any, column: str, place: Location, where: str) -> str:
    if not pd.api.types.is_scalar(value) or isinstance(value, bytes):
        raise InvalidTargetError(
            f"{place.text}: the column {named([column])} has a value of type "
            f"{type(value).__name__} for {where}; it must have one text or number a row"
        )
    text = "" if pd.isna(value) else str(value).strip()
    if not text:
        raise InvalidTargetError(
            f"{place.text}: the column {named([column])} is empty for {where}; fill it in, or "
            "leave the row out"
        )
    return text


class _Cells:
    """The encoded images of a column, as a file system whose paths are numbers of rows."""

    def __init__(self, contents: Sequence[bytes]) -> None:
        self._contents = tuple(contents)

    def cat_file(self, path: int, end: int | None = None) -> bytes:
        return self._contents[path][:end]


def _images(
    values: Sequence[Any], column: str, place: Location
) -> tuple[_Cells | None, tuple[str, ...]]:
    """Return the images that are in the table itself, and the name of each; else their paths."""
    pairs = [_content_and_path(value) for value in values]
    contents = [content for content, _ in pairs if content is not None]
    paths = [path for _, path in pairs]
    if not contents:
        return None, _filled(paths, column, place)
    numbered = tuple(f"row {i + 1}" for i in range(len(pairs)))
    if len(contents) < len(pairs):
        missing = next(i for i, (content, _) in enumerate(pairs) if content is None)
        raise InvalidTargetError(
            f"{place.text}: the column {named([column])} has no image for {numbered[missing]}, "
            "though others have one; leave the row out"
        )
    given = [path for path in paths if isinstance(path, str)]
    return _Cells(contents), tuple(given) if len(set(given)) == len(pairs) else numbered


def _content_and_path(cell: Any) -> tuple[bytes | None, Any]:
    if isinstance(cell, Mapping) and not cell.keys().isdisjoint(("bytes", "path")):
        return _content_and_path(cell.get("bytes"))[0], cell.get("path")
    if isinstance(cell, bytes | bytearray | memoryview):
        return bytes(cell), None
    return None, os.fspath(cell) if isinstance(cell, os.PathLike) else cell


def _paths(names: Sequence[str], place: Location) -> tuple[list[str], tuple[str, ...]]:
    """Return the paths of names in the file system, and a note on those in another spelling."""
    folder = posixpath.dirname(place.root)
    for name in names:
        _refuse_foreign(name, place)
    # whether a file is there costs nothing where it is not asked over a network
    near = isinstance(place.filesystem, LocalFileSystem | AbstractArchiveFileSystem)
    paths, spelt = [], 0
    for name in names:
        forms = [posixpath.normpath(posixpath.join(folder, form)) for form in _forms(name)]
        found = forms[0]
        if near and len(forms) > 1:
            found = next((path for path in forms if place.filesystem.exists(path)), found)
        paths.append(found)
        spelt += found != forms[0]
    note = "file(s) were found under a name with slashes for backslashes, or other accents"
    return paths, (f"{spelt} {note}",) if spelt else ()


def _forms(name: str) -> list[str]:
    """Return a path as it is, then as other systems write it."""
    slashes = name.replace("\\", "/")
    others = [unicodedata.normalize(form, slashes) for form in ("NFC", "NFD")]
    return list(dict.fromkeys([name, slashes, *others]))


def _refuse_foreign(name: str, place: Location) -> None:
    """Refuse what cannot be a path below the manifest, or on this machine."""
    what = ""
    if _URL.match(name):
        what = "is a URL; download the images, and name each by its path"
    elif _WINDOWS.match(name) and os.name != "nt":
        what = "is a path of a Windows drive; make the paths relative to the manifest"
    elif len(name) > _LONGEST_PATH:
        what = f"has {len(name):,} characters and is no path"
    if what:
        raise InvalidTargetError(f"{place.text}: the image {named([name])} {what}")


def _splits(names: Sequence[str], place: Location) -> tuple[str, ...]:
    unknown = bytewise({name for name in names if name.lower() not in SPLITS})
    if unknown:
        raise InvalidTargetError(
            f"{place.text}: unknown split {named(unknown)}; allowed: {', '.join(SPLITS)}"
        )
    return tuple(SPLITS[name.lower()] for name in names)


def _without_repetitions(
    names: Sequence[str], paths: Sequence[str], told: Sequence[Sequence[str]], place: Location
) -> tuple[list[int], tuple[str, ...]]:
    """Return the rows by name, each once, with a note on those that repeat another.

    Raises:
        InvalidTargetError: If two rows of an image differ.
    """
    first: dict[tuple[str, ...], int] = {}
    for i, row in enumerate(zip(paths, *told, strict=True)):
        first.setdefault(row, i)
    of_path = Counter(path for path, *_ in first)
    torn = [names[i] for (path, *_), i in first.items() if of_path[path] > 1]
    if torn:
        raise InvalidTargetError(
            f"{place.text}: {named(dict.fromkeys(torn))} is listed more than once, with different "
            "values"
        )
    repeated = len(names) - len(first)
    note = (f"{repeated} row(s) that repeat another were left out",) if repeated else ()
    return sorted(first.values(), key=lambda i: path_bytes(names[i])), note


def _notes(
    table: pd.DataFrame, column_of: Mapping[str, str], asked: str | None
) -> tuple[str, ...]:
    """Return which columns have another meaning than their names say, unless that was asked."""
    known = {*_COLUMNS, _plain(asked or "")}
    renamed = {meaning: c for meaning, c in column_of.items() if _plain(c) not in known}
    ignored = [c for c in table.columns if c and c not in column_of.values()]
    notes = [f"the column {named([c])} is used as {meaning!r}" for meaning, c in renamed.items()]
    if len(ignored) == 1:
        notes.append(f"the column {named(ignored)} was ignored")
    if len(ignored) > 1:
        notes.append(f"the columns {named(ignored, most=20)} were ignored")
    return tuple(notes)
