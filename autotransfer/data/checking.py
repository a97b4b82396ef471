"""The check of every image before anything runs: which can be used, and how deep they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import USUAL_DEPTH, ImageSet
from autotransfer.data.images.decoding import DEEPEST, depth_of, in_threads
from autotransfer.data.images.reading import ArrayReader
from autotransfer.data.listing import Listing, named
from autotransfer.data.modality import Modality, modality_of
from autotransfer.errors import (
    CorruptImagesError,
    InvalidOptionError,
    InvalidTargetError,
    named_problems,
)

Problems: TypeAlias = tuple[tuple[str, str], ...]  # (name, reason) of images that are left out
BAD_IMAGE_RULES = ("stop", "skip")
_REMEDY = CorruptImagesError.REMEDY
_CHECKED_SIDE = 1  # a JPEG is checked at 1/8 of its size; every byte is still decoded
_NAMED = 20  # images that a note names


@dataclass(frozen=True)
class Usable:
    """What the check of some images found.

    Args:
        good: Positions of the images that can be used.
        left_out: Name and reason of each of the others.
        depth: Bits that values of 16 or 32 bits use; None where there are none.
        deep: Name and largest value of each such image that does not say its depth.
        item: What one of them is called.
        remarked: Name of each item that can be used, and what to know of it.
    """

    good: NDArray[np.int64]
    left_out: Problems = ()
    depth: int | None = None
    deep: Mapping[str, int] = field(default_factory=dict)
    item: str = "image"
    remarked: Mapping[str, str] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what was left out, and how deep the images are taken to be, in sentences."""
        notes = left_out_notes(self.left_out, self.item)
        for remark in dict.fromkeys(self.remarked.values()):
            these = [name for name, told in self.remarked.items() if told == remark]
            notes = (*notes, f"{len(these)} {self.item}(s) are {remark}: {named(these)}")
        if not self.deep:
            return notes
        values = list(self.deep.values())
        largest, usual = max(values), depth_of(int(np.median(values)))
        few = [name for name, value in self.deep.items() if value >= 2**usual]
        said = (
            f"{len(values)} image(s) have values of 16 or 32 bits, and the largest of all is "
            f"{largest:,}: they are read as images of {self.depth} bits"
        )
        if few and self.depth == depth_of(largest):
            return (
                *notes,
                f"{said}; but only {len(few)} of them need more than {usual} bits ({named(few)}): "
                "if their largest values are faults, correct or remove these images, since they "
                "make all others darker",
            )
        return notes if self.depth == USUAL_DEPTH else (*notes, said)


def checked(listing: Listing, on_bad_image: str | None, depth: int | None = None) -> Usable:
    """Return which images of a listing can be used.

    Args:
        listing: The images.
        on_bad_image: As for `usable_images`.
        depth: Bits that a value of 16 or 32 bits uses; None finds out.

    Raises:
        InvalidTargetError: If there is no image.
        CorruptImagesError: As for `usable_images`.
    """
    _refuse_rule(on_bad_image)
    everything = np.arange(len(listing.reader.names))
    if not len(everything):
        kind = modality_of(listing.reader).plural
        raise InvalidTargetError(f"there are no {kind}: the list or array is empty")
    if isinstance(listing.reader, ArrayReader):
        return Usable(everything)  # it refuses bad images when it is made
    return usable_images(ImageSet(listing.reader, everything, depth=depth), on_bad_image)


def usable_images(images: ImageSet, on_bad_image: str | None) -> Usable:
    """Return which images can be used: each is read once.

    Args:
        images: The images.
        on_bad_image: "stop" names every bad image in an error, "skip" leaves them out. None
            stops as well, where the caller does not offer the choice.

    Raises:
        CorruptImagesError: If images cannot be used and are not left out, or if none can.
        InvalidOptionError: If `on_bad_image` is none of these.
    """
    _refuse_rule(on_bad_image)

    remarked: dict[str, str] = {}

    def check(position: int) -> int | tuple[str, str] | None:
        """Return the problem of an image, or its largest value if that says how deep it is."""
        try:
            read = images.read(position, _CHECKED_SIDE)
        except CorruptImagesError as error:
            return error.problems[0]
        if remark := getattr(read, "remark", ""):
            remarked[images.names[position]] = remark
        return read.info.get(DEEPEST) if images.modality is Modality.IMAGE else None

    found = in_threads(check, range(len(images)))
    problems = tuple(item for item in found if isinstance(item, tuple))
    good = np.array([i for i, item in enumerate(found) if not isinstance(item, tuple)], np.int64)
    if problems and not len(good):
        raise CorruptImagesError(problems, f"no other is left: {_REMEDY}", images.modality)
    if problems and on_bad_image == "stop":
        skip = "leave them out with --on-bad-image skip (on_bad_image='skip')"
        raise CorruptImagesError(problems, f"{_REMEDY}, or {skip}", images.modality)
    if problems and on_bad_image is None:
        raise CorruptImagesError(problems, _REMEDY, images.modality)
    deep = {images.names[i]: item for i, item in enumerate(found) if isinstance(item, int)}
    estimated = depth_of(max(deep.values())) if deep else None
    ordered = {name: remarked[name] for name in images.names if name in remarked}
    return Usable(good, problems, images.depth or estimated, deep, images.modality, ordered)


def _refuse_rule(on_bad_image: str | None) -> None:
    if on_bad_image not in (*BAD_IMAGE_RULES, None):
        raise InvalidOptionError(
            f"on_bad_image must be one of {', '.join(BAD_IMAGE_RULES)}, got {on_bad_image!r}"
        )


def left_out_notes(problems: Problems, item: str = "image") -> tuple[str, ...]:
    """Return a note that names the items that were left out, if there are any.

    Args:
        problems: Name and reason of each.
        item: What one of them is called.
    """
    if not problems:
        return ()
    lines = "; ".join(named_problems(problems, _NAMED))
    return (f"{len(problems)} {item}(s) cannot be used and were left out: {lines}",)
