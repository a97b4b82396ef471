"""Items that another process can read: those of archives are copied out, still encoded."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.decoding import decode_image
from autotransfer.data.images.reading import FileReader
from autotransfer.data.modality import USUAL, Modality

SPOOL = "spool"
_held: dict[Path, FileLock] = {}  # of this process, by folder


@dataclass(frozen=True)
class PackedReader:
    """Encoded items, one after the other, in one file.

    Args:
        path: The file.
        digests: sha256 of each item.
        ends: (n,) where each item ends in the file.
        modality: What the items are.
        decode: Returns what the bytes of an item hold; see `decode_image`.
    """

    path: Path
    names: tuple[str, ...]
    digests: tuple[str, ...]
    ends: tuple[int, ...] = field(repr=False)
    modality: Modality = USUAL
    decode: Callable[..., Any] = decode_image

    def read(self, index: int, min_side: int | None = None, depth: int | None = None) -> Any:
        """Return one item, upright; see `ImageReader.read`."""
        start = self.ends[index - 1] if index else 0
        with self.path.open("rb") as file:
            file.seek(start)
            return self.decode(file.read(self.ends[index] - start), min_side, depth)


def packed(images: ImageSet, folder: Path) -> ImageSet:
    """Return the same items in a form that can be sent to another process.

    Arrays and local files are left as they are. Members of archives and remote files are copied
    into one file, as they are encoded.

    Args:
        images: The items; they may be a view of another set.
        folder: Where the file is made; other machines need to see it as well.
    """
    reader, positions = images.reader, images.positions
    while isinstance(reader, ImageSet):
        positions, reader = reader.positions[positions], reader.reader
    if not isinstance(reader, FileReader) or reader.local:
        return images
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.items"
    ends: list[int] = []
    with path.open("wb") as file:
        for position in positions:
            file.write(reader.content(int(position)))
            ends.append(file.tell())
    spooled = PackedReader(
        path, images.names, images.digests, tuple(ends), images.modality, reader.decode
    )
    labels = images.labels if images.labelled else None
    everything = np.arange(len(images))
    return ImageSet(spooled, everything, labels, images.class_names, depth=images.depth)


def spool_folder(cache: Path) -> Path:
    """Return a new folder for copies, which is held until it is removed or the process ends."""
    spools = cache / SPOOL
    spools.mkdir(parents=True, exist_ok=True)
    folder = spools / uuid.uuid4().hex
    _hold(folder)  # before it is there: nobody else takes it for abandoned
    folder.mkdir(0o700)
    return folder


def remove_spool(folder: Path) -> None:
    """Delete a folder of copies."""
    shutil.rmtree(folder, ignore_errors=True)
    lock = _held.pop(folder, None)
    if lock is not None:
        with suppress(OSError):  # before the release: later it may be the lock of another process
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def sweep_spools(cache: Path) -> None:
    """Delete the folders of processes that were killed; the lock of such a one is free."""
    for path in (cache / SPOOL).glob("*"):
        folder = path.with_suffix("")
        if folder in _held:
            continue
        with suppress(OSError):  # held by a fit that runs, or of another user
            _hold(folder)
            remove_spool(folder)


def _hold(folder: Path) -> None:
    lock = FileLock(folder.with_suffix(".lock"), timeout=0)
    lock.acquire()
    _held[folder] = lock
