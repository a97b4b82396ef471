"""Images as they were found, before they are checked and divided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autotransfer.data.image_set import ImageReader

SPLITS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


@dataclass(frozen=True)
class Listing:
    """Images with what is known about each; all sequences are aligned with the reader.

    Args:
        splits: "train", "validation" or "test" of each image.
        classes: Name of the class of each image; None without labels.
        class_names: The K classes in order, with those that turned out to have no image.
        groups: Group of each image; None without groups.
        notes: What was decided or left out, in sentences.
        name: Short name of the place they were found in.
    """

    reader: ImageReader
    splits: Sequence[str]
    classes: Sequence[str] | None = None
    class_names: tuple[str, ...] = ()
    groups: Sequence[str] | None = None
    notes: tuple[str, ...] = ()
    name: str = "images"


def bytewise(names: Iterable[str]) -> list[str]:
    """Return names in the order of their bytes, which no locale changes."""
    return sorted(names, key=path_bytes)


def path_bytes(name: str) -> bytes:
    """Return the bytes of a path; those of a name that is no UTF-8 survive."""
    return name.encode("utf-8", "surrogateescape")
