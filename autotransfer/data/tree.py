"""Folders of class folders: what lies below a place, and what it means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from autotransfer.data.images.decoding import EXTENSIONS as OF_IMAGES
from autotransfer.data.images.reading import FileReader
from autotransfer.data.item_kinds import KindReader, extensions_of, offered_kind
from autotransfer.data.listing import (
    SPLITS,
    Listing,
    bytewise,
    named,
    path_bytes,
    readable,
    shortened,
)
from autotransfer.data.modality import Modality
from autotransfer.data.sounds.decoding import EXTENSIONS as OF_SOUNDS
from autotransfer.data.sounds.reading import SoundReader
from autotransfer.data.storage import TABLES, Entry, Location, entries
from autotransfer.data.texts.decoding import EXTENSIONS as OF_TEXTS
from autotransfer.data.texts.reading import read_files
from autotransfer.errors import InvalidTargetError

_JUNK = frozenset(
    {
        *("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
        *("$recycle.bin", "system volume information", "recycler", "lost+found", "found.000"),
        *("@eadir", "#recycle", "@recycle", "#snapshot", "@sharesnap", "__pycache__"),
    }
)
_NAMED = 5  # kinds of files that a note names

# By the ends of their names; where a folder has several kinds, the first of these is meant, and
# those of plugins come last.
_EXTENSIONS = {Modality.IMAGE: OF_IMAGES, Modality.SOUND: OF_SOUNDS, Modality.TEXT: OF_TEXTS}
_SHAPE = "expected <class>/<{0}>, or <split>/<class>/<{0}> with the splits train, val and test"


@dataclass(frozen=True)
class Tree:
    """The items below a place.

    Args:
        images: The files of items in bytewise path order.
        empty_folders: Folders without any file, by their path below the place.
        modality: What the items are.
    """

    place: Location
    images: tuple[Entry, ...]
    empty_folders: tuple[PurePosixPath, ...]
    notes: tuple[str, ...]
    modality: Modality = Modality.IMAGE

    def listing(self) -> Listing:
        """Return the images without split or class."""
        reader = reader_of(
            self.modality,
            self.place.filesystem,
            [entry.path for entry in self.images],
            [entry.below for entry in self.images],
        )
        items = read_files(reader) if self.modality is Modality.TEXT else reader
        splits = ["train"] * len(self.images)
        return Listing(items, splits, notes=self.notes, name=self.place.name)


def reader_of(
    kind: Modality, filesystem: Any, paths: Sequence[Any], names: Sequence[str]
) -> FileReader:
    """Return what reads files of a kind.

    Args:
        kind: What the items are.
        filesystem: Where they are.
        paths: Path of each.
        names: What each is called.
    """
    if offered_kind(kind) is not None:
        return KindReader(filesystem, paths, names, modality=kind)
    return (SoundReader if kind is Modality.SOUND else FileReader)(filesystem, paths, names)


def grow_tree(place: Location, modality: Modality | None = None) -> Tree:
    """Return the items below a place; what systems leave behind is ignored.

    Args:
        place: A folder, an archive, or one file.
        modality: What the items are; None tells it from the files.

    Raises:
        InvalidTargetError: If there is no item.
    """
    ends_of = extensions_of(_EXTENSIONS)
    everything = [entry for entry in entries(place) if not _is_junk(entry.below)]
    found = list({entry.below: entry for entry in everything}.values())
    known = ends_of.values() if modality is None else [ends_of[modality]]
    if not found and place.root.lower().endswith(tuple(end for ends in known for end in ends)):
        found = [Entry(place.root, PurePosixPath(place.root).name, folder=False)]  # one alone
    files = [entry for entry in found if not entry.folder]
    kind = modality or _kind_of(files)
    images = [entry for entry in files if _suffix(entry) in ends_of[kind]]
    others = Counter(_suffix(entry) or "no extension" for entry in files)
    for extension in ends_of[kind]:
        others.pop(extension, None)
    if not images:
        raise _nothing(place, found, others, modality)
    used = {parent for entry in files for parent in PurePosixPath(entry.below).parents}
    empty = {PurePosixPath(entry.below) for entry in found if entry.folder} - used
    return Tree(
        place,
        tuple(sorted(images, key=lambda entry: path_bytes(entry.below))),
        tuple(sorted(empty)),
        (*_ignored(others, kind.plural), *_repeated(everything, found)),
        kind,
    )


def _kind_of(files: Sequence[Entry]) -> Modality:
    """Return what the items are: images, else sounds, else texts that lie in several folders."""
    known = extensions_of(_EXTENSIONS).items()
    found = {kind: [e for e in files if _suffix(e) in ends] for kind, ends in known}
    for kind, items in found.items():
        folders = {PurePosixPath(entry.below).parent for entry in items}
        if items and (kind is not Modality.TEXT or len(folders) > 1):
            return kind
    return Modality.IMAGE


def read_tree(tree: Tree) -> Listing:
    """Return the images of a tree with their splits and classes.

    Images right below the place have no labels.

    Raises:
        InvalidTargetError: If the tree has another shape; the folder to name is in the message.
    """
    parts = [PurePosixPath(entry.below).parts for entry in tree.images]
    start = _wrapping(parts)
    if start:
        inner = named(["/".join(parts[0][:start])])
        tree = replace(
            tree, notes=(*tree.notes, f"everything lies in {inner}, which is used as the target")
        )
    depths = {len(part) - start for part in parts}
    tops = bytewise({part[start] for part in parts})
    if depths == {1}:
        return tree.listing()
    divided = all(_is_split(top) for top in tops)
    if depths == {2 + divided}:
        splits = [SPLITS[part[start].strip().lower()] if divided else "train" for part in parts]
        return _labelled(tree, splits, start, start + divided)
    finding = "these are splits, but not all of class folders: " if divided else ""
    if len(depths) > 1:
        raise _wrong_shape(tree, parts, start, finding + _uneven(parts, tree.modality))
    raise _wrong_shape(tree, parts, start, finding or "the class folders lie deeper")


def _wrapping(parts: Sequence[tuple[str, ...]]) -> int:
    """Return how many folders, one in the other, hold everything and are no class or split."""
    depth = min(map(len, parts))
    start = 0
    while depth - start > 2 and len({part[start] for part in parts}) == 1:
        if depth - start == 3 and _is_split(parts[0][start]):
            break
        start += 1
    return start


def _is_split(folder: str) -> bool:
    return folder.strip().lower() in SPLITS


def _labelled(tree: Tree, splits: Sequence[str], start: int, level: int) -> Listing:
    """Return the listing whose classes are the folders at a level of the path.

    Args:
        tree: The images.
        splits: Split of each image.
        start: Level below the folders that hold everything.
        level: Level of the classes.
    """
    listing = tree.listing()
    parts = [PurePosixPath(entry.below).parts for entry in tree.images]
    classes = [part[level] for part in parts]
    without_images = {
        folder.parts[level]
        for folder in tree.empty_folders
        if len(folder.parts) == level + 1
        and folder.parts[:start] == parts[0][:start]
        and (level == start or _is_split(folder.parts[start]))
    }
    names = tuple(bytewise({*classes, *without_images}))
    return Listing(listing.reader, splits, classes, names, notes=tree.notes, name=listing.name)


def _uneven(parts: Sequence[tuple[str, ...]], kind: Modality) -> str:
    """Return which items lie on another level than most of them."""
    counts = Counter(map(len, parts))
    usual = max(counts, key=lambda depth: (counts[depth], -depth))
    odd = ["/".join(part) for part in parts if len(part) != usual]
    loose = f"there are loose {kind.plural} beside folders"
    what = loose if min(counts) == 1 else "folders go deeper"
    return f"{what}: {named(odd, most=3)} lies on another level than {counts[usual]} {kind}(s)"


def _wrong_shape(
    tree: Tree, parts: Sequence[tuple[str, ...]], start: int, finding: str
) -> InvalidTargetError:
    folders = bytewise({"/".join(part[: start + 1]) for part in parts if len(part) > start + 1})
    return InvalidTargetError(
        f"{tree.place.text}: {finding} (it has {named(folders)}); "
        f"{_SHAPE.format(tree.modality)}. "
        f"To use one folder of it, name it: {readable(tree.place.inner(folders[0]))}"
    )


def _nothing(
    place: Location, found: Sequence[Entry], others: Counter[str], kind: Modality | None
) -> InvalidTargetError:
    """Return that there is no item of a kind, or of any kind; with what there is instead."""
    if not found and place.root and not place.filesystem.exists(place.root):
        return InvalidTargetError(f"{place.text}: there is no {named([place.root])} in it")
    if not found and place.filesystem.isfile(place.root):
        return InvalidTargetError(
            f"{place.text}: not a folder, an archive (.zip, .tar, .tar.gz), an .npz file or a "
            "manifest (.csv, .tsv, .jsonl, .parquet)"
        )
    wanted = [*extensions_of(_EXTENSIONS)] if kind is None else [kind]
    *first, last = (each.plural for each in wanted)
    told = f"{', '.join(first)} or {last}" if first else last
    tables = "; a table is named by its own path" * any(kind in TABLES for kind in others)
    besides = "".join(f"; {note}" for note in _ignored(others, told)) + tables
    return InvalidTargetError(
        f"{place.text}: there are no {told} in it{besides}{_readable(others, kind)}"
    )


def _readable(others: Counter[str], kind: Modality | None) -> str:
    """Return what could have been read where there are other files; empty where there are none."""
    ends_of = extensions_of(_EXTENSIONS)
    if kind is None and any(others[end] for end in ends_of[Modality.TEXT]):
        return "; texts lie in one folder a class, or are asked for by --modality text"
    wanted = [*ends_of][1:] if kind is None else [kind]
    told = (f"; {each.plural} end in {', '.join(ends_of[each])}" for each in wanted)
    return "".join(told) if others and kind is not Modality.IMAGE else ""


def _ignored(others: Counter[str], plural: str) -> tuple[str, ...]:
    if not others:
        return ()
    kinds = ", ".join(f"{shortened(kind)} {count}" for kind, count in others.most_common(_NAMED))
    return (f"{others.total()} file(s) that are not {plural} were ignored ({kinds})",)


def _repeated(everything: Sequence[Entry], found: Sequence[Entry]) -> tuple[str, ...]:
    count = sum(not entry.folder for entry in everything)
    count -= sum(not entry.folder for entry in found)
    if not count:
        return ()
    return (f"{count} file(s) have the name of another in the archive; the last of each is read",)


def _suffix(entry: Entry) -> str:
    return PurePosixPath(entry.below).suffix.lower()


def _is_junk(below: str) -> bool:
    return any(part.startswith(".") or part.lower() in _JUNK for part in below.split("/"))
