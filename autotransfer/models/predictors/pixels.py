"""The classical baseline: gradient histograms or raw pixels with logistic regression."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.feature import hog
from torch import Tensor
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import InvalidTargetError
from autotransfer.models.heads.linear import LinearHead, Standardisation
from autotransfer.models.heads.logistic import DEFAULT_C, fit_logistic
from autotransfer.models.linear_algebra import principal_axes
from autotransfer.models.metrics import METRICS
from autotransfer.models.predictors.base import FeatureReader, Predictor, PredictorState
from autotransfer.results import Json

TITLES: Mapping[str, str] = {
    "hog": "HOG + logistic regression",
    "raw": "principal components of pixels + logistic regression",
}
HOG_SIDE, RAW_SIDE = 64, 32  # side of the decoded image in pixels
HOG_CELL, HOG_BLOCK, HOG_ORIENTATIONS = 8, 2, 9  # Dalal and Triggs, CVPR 2005
STRENGTHS = (1e-3, 1e-4, 1e-2, 1e-1)  # C, the likeliest first: a deadline may end the grid
NUM_COMPONENTS = 256
NUM_FOLDS = 3
_THREADS = 8
_SMALLEST_VARIANCE = 1e-10  # share of the first component's; below it is rounding


@dataclass(frozen=True)
class PixelPredictor(Predictor):
    """A linear classifier on a fixed description of the pixels.

    Args:
        description: "hog" (d = 1764) or "raw" (d = 3072).
        head: Reads the description; standardisation and components are folded in.
    """

    description: str
    head: LinearHead

    @property
    def title(self) -> str:
        """Return the name for people."""
        return TITLES[self.description]

    @override
    def predict(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        return self.head.probabilities(describe(images, (self.description,))[self.description])

    @override
    def state(self) -> PredictorState:
        tensors = {
            "weight": torch.from_numpy(self.head.weight),
            "bias": torch.from_numpy(self.head.bias),
        }
        return tensors, {"description": self.description}


def restore_pixels(tensors: Mapping[str, Tensor], info: Mapping[str, Json]) -> PixelPredictor:
    """Return the predictor whose `state()` was (tensors, info)."""
    head = LinearHead(tensors["weight"].numpy(), tensors["bias"].numpy())
    return PixelPredictor(str(info["description"]), head)


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
    labels = train.labels
    if len(np.unique(labels)) < 2:
        raise InvalidTargetError(
            "the pixel baseline needs training images of at least 2 classes, got "
            f"{len(np.unique(labels))} in {len(labels)} image(s)"
        )
    found = best_description(
        describe(train, tuple(TITLES)), labels, num_classes, seed=seed, deadline=deadline
    )
    return PixelPredictor(*found)


def best_description(
    described: Mapping[str, NDArray[np.float32]],
    labels: NDArray[np.int64],
    num_classes: int,
    *,
    seed: int,
    deadline: float | None,
) -> tuple[str, LinearHead]:
    """Return the name of the description that is validated best, and a head that reads it.

    Args:
        described: (n, d) rows of each, the likeliest first.
        labels: (n,) classes in [0, K).
        num_classes: K.
        seed: Seeds the folds.
        deadline: `time.monotonic()` after which no further candidate is tried.
    """
    spaces = {name: _Components.of(rows) for name, rows in described.items()}
    folds = stratified_folds(labels, seed)
    best, best_value = (next(iter(spaces)), STRENGTHS[0]), -np.inf
    for strength, name in product(STRENGTHS, spaces):
        if not folds or (deadline is not None and time.monotonic() >= deadline):
            break
        value = _validated(spaces[name].rows, labels, num_classes, folds=folds, strength=strength)
        if value > best_value:
            best, best_value = (name, strength), value
    name, strength = best
    head = _fit(spaces[name].rows, labels, num_classes, strength)
    return name, spaces[name].fold_into(head)


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
    described = {}
    for column, name in enumerate(descriptions):
        matrix = np.empty((len(rows), _NUM_FEATURES[name]), dtype=np.float32)
        for index, row in enumerate(rows):
            matrix[index] = row[column]
        described[name] = matrix
    return described


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
    shares: NDArray[np.float32] = np.asarray(small, dtype=np.float32) / np.float32(255)
    return shares


@dataclass(frozen=True)
class _Components:
    """The principal components of standardised rows.

    Args:
        scale: Standardises the d columns.
        axes: (d, r) orthonormal directions.
        rows: (n, r) the rows in these directions.
    """

    scale: Standardisation
    axes: NDArray[np.float64]
    rows: NDArray[np.float64]

    @classmethod
    def of(cls, description: NDArray[np.float32]) -> _Components:
        """Return the leading components of (n, d) rows, from the smaller product of the two."""
        scale = Standardisation.of(description)
        rows = scale.apply(description)
        axes, _ = principal_axes(rows, NUM_COMPONENTS, tolerance=_SMALLEST_VARIANCE)
        if not axes.size:  # images without any gradient, or all alike, still get one column
            axes = np.zeros((rows.shape[1], 1))
        return cls(scale, axes, rows @ axes)

    def fold_into(self, head: LinearHead) -> LinearHead:
        """Return the head that reads raw descriptions, given one that reads `rows`."""
        return self.scale.fold_into(LinearHead(head.weight @ self.axes.T, head.bias))


def _fit(
    rows: NDArray[np.float64], labels: NDArray[np.int64], num_classes: int, strength: float
) -> LinearHead:
    """Return the logistic regression on components, with C = strength."""
    regularisation = DEFAULT_C / strength
    return fit_logistic(
        rows, labels, num_classes, regularisation=regularisation, standardise=False
    )


def _validated(
    rows: NDArray[np.float64],
    labels: NDArray[np.int64],
    num_classes: int,
    *,
    folds: list[NDArray[np.bool_]],
    strength: float,
) -> float:
    """Return the mean log probability of the right classes of held-out images."""
    probabilities = np.empty((len(rows), num_classes))
    for held_out in folds:
        head = _fit(rows[~held_out], labels[~held_out], num_classes, strength)
        probabilities[held_out] = head.probabilities(rows[held_out])
    return METRICS["log_loss"].score(labels, probabilities)


def stratified_folds(labels: NDArray[np.int64], seed: int) -> list[NDArray[np.bool_]]:
    """Return (n,) masks of held-out items, stratified; none where a fold leaves one class.

    Args:
        labels: (n,) classes.
        seed: Seeds who is in which fold.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    order = np.lexsort((shuffled, labels))
    number = np.empty(len(labels), dtype=np.int64)
    number[order] = np.arange(len(labels)) % NUM_FOLDS
    folds = [number == fold for fold in range(NUM_FOLDS)]
    usable = all(held_out.any() and len(np.unique(labels[~held_out])) > 1 for held_out in folds)
    return folds if usable else []
