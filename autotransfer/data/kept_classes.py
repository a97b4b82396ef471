"""Labelled images of some of their classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import InvalidOptionError

_NAMED = 10


def with_classes(images: ImageSet, names: Sequence[str]) -> ImageSet:
    """Return the images of the named classes, which are then all that there are.

    Args:
        images: With labels.
        names: Two classes at least; their order and repetitions do not matter. Empty keeps all.

    Raises:
        InvalidOptionError: If there is no such class, or one alone is kept.
    """
    if not names:
        return images
    there = images.class_names
    unknown = [name for name in dict.fromkeys(names) if name not in there]
    if unknown:
        more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
        raise InvalidOptionError(
            f"--class {unknown[0]}: the source data has no such class; it has "
            f"{', '.join(there[:_NAMED])}{more}"
        )
    kept = [k for k, name in enumerate(there) if name in names]
    if len(kept) < 2:
        raise InvalidOptionError(
            f"--class {there[kept[0]]}: one class alone leaves nothing to tell apart; name at "
            "least two"
        )
    positions = np.flatnonzero(np.isin(images.labels, kept))
    return images.relabelled(
        positions, np.searchsorted(kept, images.labels[positions]), [there[k] for k in kept]
    )
