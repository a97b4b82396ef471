"""Sources that earlier fits have tuned, and which of this target's images they know.

A source that has learnt from an image cannot be tested on it: its score there would say how well
it remembers. Such a source is left out, with a reason.
"""

from __future__ import annotations

import warnings

from autotransfer.data.holdout import Division
from autotransfer.data.image_set import ImageSet
from autotransfer.errors import DataWarning
from autotransfer.models.catalogue import Sources
from autotransfer.models.source import Source


def without_leaks(
    sources: Sources, division: Division, validation: ImageSet | None = None
) -> Sources:
    """Return the sources that know none of the images that test the result.

    Those are the held-out items and the user's own validation split; where nothing is held out,
    all images, since each of them is tested out of fold.

    Warns:
        DataWarning: Where a source knows images that only choose it.

    Raises:
        NoCandidateError: If no source is left.
    """
    if not any(source.seen for source in sources.sources):
        return sources
    parts = [division.images if division.held_out is None else division.held_out]
    parts += [] if validation is None else [validation]
    testing = {digest for part in parts for digest in part.digests}
    reasons = {s.name: _reason(len(testing & set(s.seen)), len(testing)) for s in sources.sources}
    left = sources.without(reasons)
    for source in left.sources:
        _warn_of_choice(source, division.images)
    return left


def _reason(count: int, total: int) -> str:
    """Return why such a source is left out; empty where it knows none of the images."""
    if not count:
        return ""
    return (
        f"an earlier fit tuned it on {count} of the {total} images that would test it here; "
        "test it on images that it has not seen"
    )


def _warn_of_choice(source: Source, images: ImageSet) -> None:
    count = len(set(images.digests) & set(source.seen))
    if count:
        warnings.warn(
            f"{source.name} was tuned on {count} of the {len(images)} images of the search, so "
            "its validation scores are too good; the test on held-out items is not concerned",
            DataWarning,
            stacklevel=3,
        )
