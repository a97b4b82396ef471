"""Folders and archives of pictures: what is below a place, and how it divides."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from fsspec.core import url_to_fs

from autotransfer.data.reading import EXTENSIONS
from autotransfer.errors import InvalidTargetError

SPLITS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
_JUNK = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
_ARCHIVES = {".zip": "zip://::", ".tar": "tar://::", ".tgz": "tar://::", ".gz": "tar://::"}


@dataclass(frozen=True)
class Tree:
    """The picture files below a place.

    Args:
        filesystem: The fsspec file system.
        files: (path in the file system, path below the place) of each picture, bytewise order.
        ignored: Number of files that are not pictures, by extension.
    """

    filesystem: Any
    files: tuple[tuple[str, PurePosixPath], ...]
    ignored: Counter[str]


def open_tree(place: str) -> Tree:
    """Return the pictures below a folder, an archive or an fsspec URL.

    Raises:
        InvalidTargetError: If there is no such place, or it cannot be read.
    """
    url = _url(place)
    try:
        filesystem, root = url_to_fs(url)
        found = filesystem.find(root)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise InvalidTargetError(f"{place}: cannot be opened ({error})") from error
    except Exception as error:  # zipfile and tarfile raise errors of their own
        if type(error).__module__ not in ("zipfile", "tarfile"):
            raise
        raise InvalidTargetError(f"{place}: not an archive that can be read ({error})") from error
    if not found and not filesystem.exists(root):
        raise InvalidTargetError(f"{place}: there is no {root!r} in it")
    prefix = root.rstrip("/")
    ignored: Counter[str] = Counter()
    files: list[tuple[str, PurePosixPath]] = []
    for path in found:
        below = PurePosixPath(path[len(prefix) :].lstrip("/") if prefix else path)
        if ".." in below.parts:
            raise InvalidTargetError(f"{place}: refused, since it holds the name {path!r}")
        if _is_junk(below):
            continue
        if below.suffix.lower() in EXTENSIONS:
            files.append((path, below))
        else:
            ignored[below.suffix.lower() or "no extension"] += 1
    files.sort(key=lambda item: str(item[1]).encode("utf-8", "surrogateescape"))
    return Tree(filesystem, tuple(files), ignored)


def is_archive(path: Path) -> bool:
    """Return whether the name is that of an archive."""
    return path.suffix.lower() in _ARCHIVES


def _url(place: str) -> str:
    if "://" in place:
        return place
    path = Path(place)
    if not path.exists():
        raise InvalidTargetError(f"{place}: no such file or folder")
    if path.is_dir():
        return str(path.resolve())
    if is_archive(path):
        return _ARCHIVES[path.suffix.lower()] + str(path.resolve())
    raise InvalidTargetError(
        f"{place}: not a folder, an archive (.zip, .tar, .tar.gz), a manifest (.csv, .parquet) "
        "or an .npz file"
    )


def _is_junk(path: PurePosixPath) -> bool:
    return any(part.startswith(".") or part.lower() in _JUNK for part in path.parts)
