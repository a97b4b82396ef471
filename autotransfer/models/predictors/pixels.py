"""The classical baseline: gradient histograms or raw pixels with logistic regression."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.feature import hog
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.models.predictors.descriptions import DescriptionPredictor

TITLES: Mapping[str, str] = {
    "hog": "HOG + logistic regression",
    "raw": "principal components of pixels + logistic regression",
}
HOG_SIDE, RAW_SIDE = 64, 32  # side of the decoded image in pixels
HOG_CELL, HOG_BLOCK, HOG_ORIENTATIONS = 8, 2, 9  # Dalal and Triggs, CVPR 2005
_THREADS = 8


@dataclass(frozen=True)
class PixelPredictor(DescriptionPredictor):
    """A linear classifier on a fixed description of the pixels: "hog" or "raw"."""

    titles = TITLES
    baseline = "the pixel baseline"

    @override
    def described(self, items: ImageSet) -> NDArray[np.float32]:
        return describe(items, (self.description,))[self.description]


def fit_pixels(
    train: ImageSet,
    num_classes: int,
    *,
    seed: int,
    deadline: float | None = None,
) -> PixelPredictor:
    """Return the better of HOG and raw pixels, at its best strength, by cross-validated log loss.

    Both are standardised, reduced to at most 256 principal components and read by a
    multinomial logistic regression. Components see the pixels of the validation folds, never
    their labels.

    Args:
        train: The labelled images to learn from.
        num_classes: K; classes without an image get a probability near zero.
        seed: Seeds the folds.
        deadline: `time.monotonic()` after which no further candidate is tried.

    Raises:
        InvalidTargetError: If the images are of fewer than two classes.
    """
    described = describe(train, tuple(TITLES))
    return PixelPredictor.fitted(described, train, num_classes, seed=seed, deadline=deadline)


def describe(images: ImageSet, descriptions: tuple[str, ...]) -> dict[str, NDArray[np.float32]]:
    """Return the (n, d) description of every image; each is decoded once, in threads.

    Args:
        images: The images, of any size; they are squeezed into a square.
        descriptions: Which of "hog" and "raw".
    """
    side = HOG_SIDE if "hog" in descriptions else RAW_SIDE

    def describe_one(index: int) -> list[NDArray[np.float32]]:
        image = images.read(index, side).convert("RGB")
        return [_DESCRIBE[name](image) for name in descriptions]

    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as threads:
        rows = list(threads.map(describe_one, range(len(images))))
    return {
        name: np.array([row[column] for row in rows], np.float32).reshape(-1, _NUM_FEATURES[name])
        for column, name in enumerate(descriptions)
    }


def _hog(image: Image.Image) -> NDArray[np.float32]:
    """Return the (1764,) gradient histograms of the strongest channel of every pixel."""
    histograms: NDArray[np.float64] = hog(
        _pixels(image, HOG_SIDE),
        orientations=HOG_ORIENTATIONS,
        pixels_per_cell=(HOG_CELL, HOG_CELL),
        cells_per_block=(HOG_BLOCK, HOG_BLOCK),
        channel_axis=-1,
    )
    return histograms.astype(np.float32)


def _raw(image: Image.Image) -> NDArray[np.float32]:
    """Return the (3072,) pixels in [0, 1]."""
    return _pixels(image, RAW_SIDE).ravel()


_DESCRIBE = {"hog": _hog, "raw": _raw}
_NUM_FEATURES = {"hog": 1764, "raw": 3072}  # 7 x 7 blocks x 4 cells x 9; 32 x 32 x 3


def _pixels(image: Image.Image, side: int) -> NDArray[np.float32]:
    """Return the (side, side, 3) pixels in [0, 1] of the whole image, squeezed or enlarged."""
    small = image.resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float32) / np.float32(255)
