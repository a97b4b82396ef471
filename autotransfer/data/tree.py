"""Folders of class folders: what lies below a place, and what it means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from autotransfer.data.images.reading import FileReader
from autotransfer.data.listing import SPLITS, Listing, bytewise, path_bytes
from autotransfer.data.storage import Entry, Location, entries
from autotransfer.errors import InvalidTargetError

EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    *(".ppm", ".pgm", ".pbm", ".heic", ".heif", ".hif", ".avif"),
)
_JUNK = frozenset({"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini"})
_NAMED = 5  # folders that a message names

_SHAPE = "expected <class>/<image>, or <split>/<class>/<image> with the splits train, val and test"


@dataclass(frozen=True)
class Tree:
    """The images below a place.

    Args:
        images: The image files in bytewise path order.
        empty_folders: Folders without any file, by their path below the place.
    """

    place: Location
    images: tuple[Entry, ...]
    empty_folders: tuple[PurePosixPath, ...]
    notes: tuple[str, ...]

    def listing(self) -> Listing:
        """Return the images without split or class."""
        reader = FileReader(
            self.place.filesystem,
            [entry.path for entry in self.images],
            [entry.below for entry in self.images],
        )
        splits = ["train"] * len(self.images)
        return Listing(reader, splits, notes=self.notes, name=self.place.name)


def grow_tree(place: Location) -> Tree:
    """Return the images below a place; what systems leave behind is ignored.

    Raises:
        InvalidTargetError: If there is no image.
    """
    found = [entry for entry in entries(place) if not _is_junk(entry.below)]
    if not found and place.root.lower().endswith(EXTENSIONS):  # one image alone
        found = [Entry(place.root, PurePosixPath(place.root).name, folder=False)]
    files = [entry for entry in found if not entry.folder]
    images = [entry for entry in files if _suffix(entry) in EXTENSIONS]
    others = Counter(_suffix(entry) or "no extension" for entry in files)
    for extension in EXTENSIONS:
        others.pop(extension, None)
    if not images:
        raise _nothing(place, found, sum(others.values()))
    used = {parent for entry in files for parent in PurePosixPath(entry.below).parents}
    empty = {PurePosixPath(entry.below) for entry in found if entry.folder} - used
    return Tree(
        place,
        tuple(sorted(images, key=lambda entry: path_bytes(entry.below))),
        tuple(sorted(empty)),
        _ignored(others),
    )


def read_tree(tree: Tree) -> Listing:
    """Return the images of a tree with their splits and classes.

    Images right below the place have no labels.

    Raises:
        InvalidTargetError: If the tree has another shape; the folder to name is in the message.
    """
    parts = [PurePosixPath(entry.below).parts for entry in tree.images]
    depths = {len(part) for part in parts}
    tops = bytewise({part[0] for part in parts})
    if depths == {1}:
        return tree.listing()
    if all(top.lower() in SPLITS for top in tops):
        if depths == {3}:
            return _labelled(tree, [SPLITS[part[0].lower()] for part in parts], level=1)
        raise _wrong_shape(tree, tops, "these are splits, but not all of class folders")
    if depths == {2}:
        return _labelled(tree, ["train"] * len(parts), level=0)
    if 1 in depths:
        raise _wrong_shape(tree, tops, "there are loose images beside folders")
    raise _wrong_shape(tree, tops, "the class folders lie deeper")


def _labelled(tree: Tree, splits: Sequence[str], level: int) -> Listing:
    """Return the listing whose classes are the folders at a level of the path."""
    listing = tree.listing()
    classes = [PurePosixPath(entry.below).parts[level] for entry in tree.images]
    without_images = {
        folder.parts[level]
        for folder in tree.empty_folders
        if len(folder.parts) == level + 1 and (level == 0 or folder.parts[0].lower() in SPLITS)
    }
    names = tuple(bytewise({*classes, *without_images}))
    return Listing(listing.reader, splits, classes, names, notes=tree.notes, name=listing.name)


def _wrong_shape(tree: Tree, tops: Sequence[str], finding: str) -> InvalidTargetError:
    folders = bytewise({PurePosixPath(e.below).parts[0] for e in tree.images if "/" in e.below})
    named = ", ".join(tops[:_NAMED]) + (", ..." if len(tops) > _NAMED else "")
    return InvalidTargetError(
        f"{tree.place.text}: {finding} ({named}; such as {tree.images[0].below}); {_SHAPE}. "
        f"To use one folder of it, name it: {tree.place.inner(folders[0])}"
    )


def _nothing(place: Location, found: Sequence[Entry], others: int) -> InvalidTargetError:
    if not found and place.root and not place.filesystem.exists(place.root):
        return InvalidTargetError(f"{place.text}: there is no {place.root!r} in it")
    if not found and place.filesystem.isfile(place.root):
        return InvalidTargetError(
            f"{place.text}: not a folder, an archive (.zip, .tar, .tar.gz), an .npz file or a "
            "manifest (.csv, .parquet)"
        )
    besides = f"; {others} file(s) that are not images were ignored" if others else ""
    return InvalidTargetError(f"{place.text}: there are no images in it{besides}")


def _ignored(others: Counter[str]) -> tuple[str, ...]:
    if not others:
        return ()
    kinds = ", ".join(f"{kind} {count}" for kind, count in others.most_common(_NAMED))
    return (f"{others.total()} file(s) that are not images were ignored ({kinds})",)


def _suffix(entry: Entry) -> str:
    return PurePosixPath(entry.below).suffix.lower()


def _is_junk(below: str) -> bool:
    return any(part.startswith(".") or part.lower() in _JUNK for part in below.split("/"))
