"""Manifests: a table with one row an item: the path of an image or a sound, or a text."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from autotransfer.data.image_set import ImageReader
from autotransfer.data.labels import flat_labels
from autotransfer.data.listing import SPLITS, Listing, bytewise, named, path_bytes, shortened
from autotransfer.data.manifest_paths import paths_below
from autotransfer.data.modality import Modality
from autotransfer.data.pandas_types import Frame, as_column, is_missing, is_pandas, is_scalar
from autotransfer.data.sounds.decoding import EXTENSIONS as OF_SOUNDS
from autotransfer.data.storage import Location
from autotransfer.data.tables import plain_columns, read_table
from autotransfer.data.texts.listing import TEXT_KEYS
from autotransfer.data.texts.reading import TextReader
from autotransfer.data.tree import reader_of
from autotransfer.errors import InvalidTargetError

_OURS = (Modality.IMAGE, Modality.SOUND, Modality.TEXT)  # called like the column that holds them
_NAMES = {
    Modality.IMAGE: "image, sound or text",
    Modality.SOUND: "sound",
    Modality.TEXT: "text",
}
_PATHS = ("file", "filename", "filepath", "path")
_LABEL, _SPLIT, _GROUP = "label", "split", "group"
_COLUMNS: Mapping[str, tuple[str, ...]] = {  # further names, without case, spaces, - and _
    Modality.IMAGE: (
        *("images", "img", "picture", "imagepath", "imagefile", "imagename"),
        *_PATHS,
    ),
    Modality.SOUND: (
        *("sounds", "audio", "wav", "clip", "recording", "soundpath", "soundfile"),
        *("audiopath", "audiofile", *_PATHS),
    ),
    Modality.TEXT: TEXT_KEYS[1:],
    _LABEL: ("labels", "class", "classname", "classlabel", "category", "target"),
    _SPLIT: ("splits",),
    _GROUP: ("groups",),
}


def read_manifest(
    place: Location,
    group_column: str | None = None,
    *,
    every_row: bool = False,
    modality: Modality | None = None,
    given: Frame | None = None,
) -> Listing:
    """Return the items of a table with the column image or text and maybe label, split and group.

    Paths are relative to the manifest; the images come in bytewise path order. Whether they
    are there is found out when they are read. The cells of a Parquet table may hold the encoded
    images themselves, as bytes or as Hugging Face's bytes and path; these keep their order.

    Args:
        place: The table.
        group_column: The column that names the group; None is "group" if it is there.
        every_row: Whether there is one image for each row, in the order of the rows, as is right
            for predictions; nothing but the column of items is read then.
        modality: What its items are; None tells it from the columns.
        given: What the table holds; None reads it.

    Raises:
        InvalidTargetError: If it cannot be read, a column or a value is missing, a split is
            unknown, or an image is listed twice with different values.
    """
    table = read_table(place) if given is None else given
    kind = modality or _kind_of(table, place)
    meanings = (kind,) if every_row else (kind, _LABEL, _SPLIT, _GROUP)
    column_of = _columns(table, place, group_column, meanings)
    if not len(table):
        raise InvalidTargetError(f"{place.text}: the table has no rows")
    cells, notes = list(table[column_of[kind]]), _notes(table, column_of, group_column)
    if kind == Modality.TEXT:
        names = tuple(f"row {i + 1}" for i in range(len(cells)))
        told = _told(table, column_of, place, names)
        return _of_rows(TextReader(cells, names), told, notes, place)
    contents, names = _images(cells, column_of[kind], place)
    told = _told(table, column_of, place, names)
    order: Sequence[int] = range(len(names))
    paths: Sequence[Any] = order
    if contents is None:
        paths, spelt = paths_below(names, place)
        notes = (*notes, *spelt)
    if contents is None and not every_row:
        order, repeated = _without_repetitions(names, paths, [*told.values()], place)
        notes = (*notes, *repeated)
    rows = {meaning: [texts[i] for i in order] for meaning, texts in told.items()}
    reader = reader_of(
        kind, contents or place.filesystem, [paths[i] for i in order], [names[i] for i in order]
    )
    return _of_rows(reader, rows, notes, place)


def is_frame(target: Any) -> bool:
    """Return whether this is a table in memory: of pandas, Polars or Arrow."""
    if is_pandas(target, "DataFrame"):
        return True
    table = hasattr(target, "to_pandas") and hasattr(target, "columns")  # not a column alone
    return table and not hasattr(target, "features")  # a dataset of Hugging Face has them


def read_frame(frame: Any, labels: Any | None = None, **how: Any) -> Listing:
    """Return the items of a table in memory; paths are relative to the working folder.

    Args:
        frame: A table as in `read_manifest`, of pandas or with `to_pandas`.
        labels: (n,) labels; None takes those of the table, if it has some.
        **how: The options of `read_manifest`.

    Raises:
        InvalidTargetError: As in `read_manifest`.
    """
    place = Location("the table", LocalFileSystem(), str(Path.cwd() / "table"))
    table = plain_columns(frame.to_pandas() if hasattr(frame, "to_pandas") else frame, place.text)
    if labels is not None:
        given = flat_labels(labels, len(table)).tolist()
        table = table.assign(**{_LABEL: as_column(given, table)})
    return read_manifest(place, given=table, **how)


def _kind_of(table: Frame, place: Location) -> Modality:
    """Return what the items of a table are, by its columns; images come first.

    Paths that all end like a sound are those of sounds.
    """
    paths = _column(table, Modality.IMAGE, place)
    if paths is not None and len(table):
        sounds = table[paths].map(lambda v: str(v).strip().lower().endswith(OF_SOUNDS))
        if sounds.all():
            return Modality.SOUND
    others = [kind for kind in Modality if kind not in _OURS]
    found = (kind for kind in (*_OURS, *others) if _column(table, kind, place) is not None)
    return next(found, Modality.IMAGE)


def _told(
    table: Frame, column_of: Mapping[str, str], place: Location, names: Sequence[str]
) -> dict[str, list[str]]:
    """Return label, split and group of each row, as far as there are such columns."""
    return {
        meaning: [
            unicodedata.normalize("NFC", text)
            for text in _filled(list(table[column_of[meaning]]), column_of[meaning], place, names)
        ]
        for meaning in (_LABEL, _SPLIT, _GROUP)
        if meaning in column_of
    }


def _of_rows(
    reader: ImageReader, rows: Mapping[str, list[str]], notes: tuple[str, ...], place: Location
) -> Listing:
    """Return the items of a reader with what the columns say of each."""
    return Listing(
        reader,
        _splits(rows[_SPLIT], place) if _SPLIT in rows else ("train",) * len(reader.names),
        tuple(rows[_LABEL]) if _LABEL in rows else None,
        tuple(bytewise(set(rows.get(_LABEL, ())))),
        tuple(rows[_GROUP]) if _GROUP in rows else None,
        notes,
        place.name,
    )


def _columns(
    table: Frame, place: Location, group_column: str | None, meanings: Sequence[str]
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
    kind = Modality(meanings[0])
    items = _NAMES.get(kind, kind)
    if found[kind] is None:
        raise InvalidTargetError(
            f"{place.text}: no column '{kind}'; it has {named(table.columns, most=20)}. The first "
            f"row of a manifest names its columns: {items}, label and maybe split and group"
        )
    return {meaning: column for meaning, column in found.items() if column is not None}


def _column(table: Frame, meaning: str, place: Location) -> str | None:
    if meaning in table:
        return meaning
    found = [*_matching(table, (meaning,))] or [*_matching(table, _COLUMNS.get(meaning, _PATHS))]
    if len(found) > 1:
        raise InvalidTargetError(
            f"{place.text}: {named(found)} could each be the column '{meaning}'; call the one "
            f"that is meant '{meaning}'"
        )
    return found[0] if found else None


def _matching(table: Frame, names: Sequence[str]) -> Iterator[str]:
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
    if not is_scalar(value) or isinstance(value, bytes):
        raise InvalidTargetError(
            f"{place.text}: the column {named([column])} has a value of type "
            f"{type(value).__name__} for {where}; it must have one text or number a row"
        )
    text = "" if is_missing(value) else str(value).strip()
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
            f"{place.text}: the column {named([column])} has no file for {numbered[missing]}, "
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


def _notes(table: Frame, column_of: Mapping[str, str], asked: str | None) -> tuple[str, ...]:
    """Return which columns have another meaning than their names say, unless that was asked."""
    known = {*_COLUMNS, *Modality, _plain(asked or "")}
    renamed = {meaning: c for meaning, c in column_of.items() if _plain(c) not in known}
    ignored = [c for c in table.columns if c and c not in column_of.values()]
    notes = [f"the column {named([c])} is used as '{meaning}'" for meaning, c in renamed.items()]
    if len(ignored) == 1:
        notes.append(f"the column {named(ignored)} was ignored")
    if len(ignored) > 1:
        notes.append(f"the columns {named(ignored, most=20)} were ignored")
    return tuple(notes)
