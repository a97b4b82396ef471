"""The paths that a manifest names, in the file system where it lies."""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from collections.abc import Sequence

from fsspec.archive import AbstractArchiveFileSystem
from fsspec.implementations.local import LocalFileSystem

from autotransfer.data.listing import named
from autotransfer.data.storage import Location
from autotransfer.errors import InvalidTargetError

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_WINDOWS = re.compile(r"[a-z]:[\\/]|\\\\", re.IGNORECASE)
_LONGEST_PATH = 4096  # characters


def paths_below(names: Sequence[str], place: Location) -> tuple[list[str], tuple[str, ...]]:
    """Return the paths of names in the file system, and a note on those in another spelling.

    Args:
        names: As the manifest has them, relative to its folder.
        place: The manifest.

    Raises:
        InvalidTargetError: If one cannot be a path below the manifest.
    """
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
        what = "is a URL; download the files, and name each by its path"
    elif _WINDOWS.match(name) and os.name != "nt":
        what = "is a path of a Windows drive; make the paths relative to the manifest"
    elif len(name) > _LONGEST_PATH:
        what = f"has {len(name):,} characters and is no path"
    if what:
        raise InvalidTargetError(f"{place.text}: the path {named([name])} {what}")
