"""Which images are learned from, and which ones only judge; decided by their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet

HELD_OUT = 0.25
MOST_HELD_OUT = 1000  # images of a domain; validators hardly move beyond
FEWEST_TARGET = 80  # with fewer target images the validators read those that were learned from

LEAST = 40  # images of a set that are read whatever time is left


@dataclass(frozen=True)
class Part:
    """The images of one domain.

    Args:
        learn: Those that strategies see.
        held_out: Those that validators read.
        apart: Whether the two have no image in common.
    """

    learn: ImageSet
    held_out: ImageSet
    apart: bool = True

    def fewer(self, share: float, seed: int) -> Part:
        """Return the part with a share of its images, `LEAST` of each set at least."""
        learn, held_out = (_some(images, share, seed) for images in (self.learn, self.held_out))
        return replace(self, learn=learn, held_out=held_out)


def _some(images: ImageSet, share: float, seed: int) -> ImageSet:
    n = max(round(share * len(images)), LEAST)
    return images.subset(np.sort(np.random.default_rng(seed).permutation(len(images))[:n]))


def divide_source(images: ImageSet) -> Part:
    """Return labelled source images, a quarter of every class held out.

    Images with the same content stay together; a class of one image is only learned from.
    """
    labels = images.labels
    held_out = [
        positions[: _size(len(positions), len(labels))]
        for positions in (
            _shuffled(images, np.flatnonzero(labels == k)) for k in np.unique(labels)
        )
    ]
    return _parted(images, np.concatenate(held_out))


def divide_target(images: ImageSet) -> Part:
    """Return unlabelled target images; too few to divide are both learned from and judged on."""
    if len(images) < FEWEST_TARGET:
        return Part(images, images, apart=False)
    positions = _shuffled(images, np.arange(len(images)))
    return _parted(images, positions[: _size(len(images), len(images))])


def _size(n: int, n_all: int) -> int:
    return int(min(HELD_OUT * n, MOST_HELD_OUT * n / n_all))


def _shuffled(images: ImageSet, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions in an order that only the content of the images decides."""
    digests = images.digests
    keys = [hashlib.sha256(b"held out" + digests[i].encode()).digest() for i in positions]
    order = sorted(range(len(positions)), key=keys.__getitem__)
    return positions[order]


def _parted(images: ImageSet, held_out: NDArray[np.int64]) -> Part:
    digests = images.digests
    kept_back = {digests[i] for i in held_out}
    learn = [i for i, digest in enumerate(digests) if digest not in kept_back]
    return Part(images.subset(learn), images.subset(np.sort(held_out)))
