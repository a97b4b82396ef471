"""Images that show the same: copies that were resized, compressed or saved again.

A perceptual hash finds candidates: the signs of the 64 lowest frequencies of a small grey
image, of which copies share nearly all. A candidate counts only where the small images
themselves agree, so that flat or simple images (sky, digits) are not taken for one another.

References:
    Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010 (the hash).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.decoding import in_threads

SIDE = 32  # pixels of the small grey image
LEAST_CORRELATION = 0.995
MOST_DIFFERENCE = 4.0  # grey levels of 255, on average
LEAST_CONTRAST = 4.0  # standard deviation in grey levels; below it there is nothing to compare
_LOW = 8  # lowest frequencies along each axis
_BANDS = 8  # two hashes that differ in fewer bits agree in a whole band
_PIECE = 4096  # images that are measured at a time
_LARGEST_BUCKET = 2000  # images that share a band; more say that the band tells nothing


def near_duplicates(*sets: ImageSet) -> NDArray[np.int64]:
    """Return the (p, 2) positions of images that show the same, the smaller one first.

    Args:
        *sets: Images of any size; labels are not read. Positions go on from one set to the
            next.
    """
    places = [(images, i) for images in sets for i in range(len(images))]
    small = in_threads(lambda place: small_grey(place[0].read(place[1], SIDE)), places)
    return alike_pairs(np.array(small, np.uint8).reshape(-1, SIDE, SIDE))


def alike_pairs(small: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the (p, 2) positions of small images that agree, the smaller one first.

    Args:
        small: (n, 32, 32) grey levels.
    """
    if len(small) < 2:
        return np.empty((0, 2), dtype=np.int64)
    clear = np.flatnonzero(
        _of_pieces(small, lambda piece: piece.std(axis=(1, 2))) >= LEAST_CONTRAST
    )
    pairs = {
        (min(i, j), max(i, j))
        for bucket in _buckets(_of_pieces(small, _hashes)[clear])
        for i, j in _agreeing(small, clear[bucket])
    }
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


def small_grey(image: Image.Image) -> NDArray[np.uint8]:
    """Return the (32, 32) grey levels of the whole image."""
    grey = image.convert("RGB").convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(grey)


def _of_pieces(
    small: NDArray[np.uint8], measure: Callable[[NDArray[np.float32]], NDArray[Any]]
) -> NDArray[Any]:
    """Return what is measured of all images, a few thousand at a time: floats take memory."""
    pieces = [small[i : i + _PIECE] for i in range(0, len(small), _PIECE)]
    return np.concatenate([measure(piece.astype(np.float32)) for piece in pieces])


def _hashes(small: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (n, 64) bits: which of the lowest frequencies lie above their median."""
    frequencies = dctn(small, axes=(1, 2))[:, :_LOW, :_LOW].reshape(len(small), _LOW**2)
    bits: NDArray[np.bool_] = frequencies > np.median(frequencies, axis=1, keepdims=True)
    return bits


def _buckets(bits: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """Yield the positions of images that agree in a whole band."""
    for band in np.split(np.packbits(bits, axis=1), _BANDS, axis=1):
        _, number, counts = np.unique(band, axis=0, return_inverse=True, return_counts=True)
        order = np.argsort(number, kind="stable")
        for bucket in np.split(order, np.cumsum(counts)[:-1]):
            if 1 < len(bucket) <= _LARGEST_BUCKET:
                yield bucket


def _agreeing(small: NDArray[np.uint8], members: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of a bucket whose small images agree."""
    rows = small[members].reshape(len(members), -1).astype(np.float32)
    centred = rows - rows.mean(axis=1, keepdims=True)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    for i, j in np.argwhere(np.triu(centred @ centred.T >= LEAST_CORRELATION, 1)):
        if np.abs(rows[i] - rows[j]).mean() <= MOST_DIFFERENCE:
            yield int(members[i]), int(members[j])
