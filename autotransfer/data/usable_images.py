"""Which images can be decoded, and what happens to the others."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.decoding import in_threads
from autotransfer.data.images.reading import ArrayReader
from autotransfer.data.listing import Listing
from autotransfer.errors import (
    CorruptImagesError,
    InvalidOptionError,
    InvalidTargetError,
    named_problems,
)

Problems: TypeAlias = tuple[tuple[str, str], ...]  # (name, reason) of images that are left out
BAD_IMAGE_RULES = ("stop", "skip")
_REMEDY = "repair or remove them"
_CHECKED_SIDE = 1  # a JPEG is checked at 1/8 of its size; every byte is still decoded
_NAMED = 20  # images that a note names


def checked(listing: Listing, on_bad_image: str | None) -> tuple[NDArray[np.int64], Problems]:
    """Return what `usable` returns of the images of a listing.

    Raises:
        InvalidTargetError: If there is none.
    """
    _refuse_rule(on_bad_image)
    everything = np.arange(len(listing.reader.names))
    if not len(everything):
        raise InvalidTargetError("there are no images: the list or array is empty")
    if isinstance(listing.reader, ArrayReader):
        return everything, ()  # it refuses bad images when it is made
    return usable(ImageSet(listing.reader, everything), on_bad_image)


def usable(images: ImageSet, on_bad_image: str | None) -> tuple[NDArray[np.int64], Problems]:
    """Return the positions of the images that can be used, and name and reason of the others.

    Args:
        images: The images.
        on_bad_image: "stop" names every bad image in an error, "skip" leaves them out. None
            stops as well, where the caller does not offer the choice.

    Raises:
        CorruptImagesError: If some cannot be decoded, and are not left out, or if none can.
        InvalidOptionError: If `on_bad_image` is neither.
    """
    _refuse_rule(on_bad_image)

    def problem(position: int) -> tuple[str, str] | None:
        try:
            images.read(position, _CHECKED_SIDE)
        except CorruptImagesError as error:
            return error.problems[0]
        return None

    found = in_threads(problem, range(len(images)))
    problems = tuple(item for item in found if item is not None)
    good = np.array([i for i, item in enumerate(found) if item is None], dtype=np.int64)
    if problems and not len(good):
        raise CorruptImagesError(problems, f"no other is left: {_REMEDY}")
    if problems and on_bad_image == "stop":
        skip = "leave them out with --on-bad-image skip (on_bad_image='skip')"
        raise CorruptImagesError(problems, f"{_REMEDY}, or {skip}")
    if problems and on_bad_image is None:
        raise CorruptImagesError(problems)
    return good, problems


def _refuse_rule(on_bad_image: str | None) -> None:
    if on_bad_image not in (*BAD_IMAGE_RULES, None):
        raise InvalidOptionError(
            f"on_bad_image must be one of {', '.join(BAD_IMAGE_RULES)}, got {on_bad_image!r}"
        )


def left_out_notes(problems: Problems) -> tuple[str, ...]:
    """Return a note that names the images that were left out, if there are any."""
    if not problems:
        return ()
    named = "; ".join(named_problems(problems, _NAMED))
    return (f"{len(problems)} image(s) cannot be used and were left out: {named}",)
