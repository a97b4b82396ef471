"""Items that another process can read: those of archives are copied out, still encoded."""

from __future__ import annotations

import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.decoding import decode_image
from autotransfer.data.images.reading import FileReader

SPOOL = "spool"


@dataclass(frozen=True)
class PackedReader:
    """Encoded items, one after the other, in one file.

    Args:
        path: The file.
        digests: sha256 of each item.
        ends: (n,) where each item ends in the file.
    """

    path: Path
    names: tuple[str, ...]
    digests: tuple[str, ...]
    ends: tuple[int, ...] = field(repr=False)

    def read(self, index: int, min_side: int | None = None) -> Image.Image:
        """Return one item, upright; see `ImageReader.read`."""
        start = self.ends[index - 1] if index else 0
        with self.path.open("rb") as file:
            file.seek(start)
            return decode_image(file.read(self.ends[index] - start), min_side)


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
    spooled = PackedReader(path, images.names, images.digests, tuple(ends))
    labels = images.labels if images.labelled else None
    return ImageSet(spooled, np.arange(len(images)), labels, images.class_names)


def spool_folder(cache: Path) -> Path:
    """Return a new folder for copies; it is deleted with the executor."""
    (cache / SPOOL).mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=cache / SPOOL))
