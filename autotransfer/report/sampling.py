"""A few images of a large set, the same ones every time."""

from __future__ import annotations

import numpy as np

from autotransfer.data.image_set import ImageSet


def sampled(images: ImageSet, most: int) -> ImageSet:
    """Return at most so many images, in their order."""
    if len(images) <= most:
        return images
    chosen = np.random.default_rng(len(images)).permutation(len(images))[:most]
    return images.subset(np.sort(chosen))
