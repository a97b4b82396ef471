"""A logistic regression on the best of a few fixed descriptions of the items, without a source."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
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

STRENGTHS = (1e-3, 1e-4, 1e-2, 1e-1)  # C, the likeliest first: a deadline may end the grid
NUM_COMPONENTS = 256
NUM_FOLDS = 3
_SMALLEST_VARIANCE = 1e-10  # share of the first component's; below it is rounding


@dataclass(frozen=True)
class DescriptionPredictor(Predictor):
    """A linear classifier on a fixed description of the items.

    Args:
        description: Its name, one of `titles`.
        head: Reads the description; standardisation and components are folded in.

    Attributes:
        titles: The names of descriptions for people.
        baseline: What it is called in a sentence.
    """

    description: str
    head: LinearHead

    titles: ClassVar[Mapping[str, str]]
    baseline: ClassVar[str]

    @abstractmethod
    def described(self, items: ImageSet) -> NDArray[np.float32]:
        """Return the (n, d) description of items."""

    @property
    def title(self) -> str:
        """Return the name for people."""
        return self.titles[self.description]

    @override
    def predict(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        return self.head.probabilities(self.described(images))

    @override
    def state(self) -> PredictorState:
        tensors = {
            "weight": torch.from_numpy(self.head.weight),
            "bias": torch.from_numpy(self.head.bias),
        }
        return tensors, {"description": self.description}

    @classmethod
    def fitted(
        cls,
        described: Mapping[str, NDArray[np.float32]],
        train: ImageSet,
        num_classes: int,
        *,
        seed: int,
        deadline: float | None,
    ) -> Self:
        """Return the classifier on the description that is validated best.

        Args:
            described: (n, d) rows of each description, the likeliest first.
            train: The labelled items.
            num_classes: K.
            seed: Seeds the folds.
            deadline: `time.monotonic()` after which no further candidate is tried.

        Raises:
            InvalidTargetError: If the items are of fewer than two classes.
        """
        labels, items = train.labels, train.modality
        if len(np.unique(labels)) < 2:
            raise InvalidTargetError(
                f"{cls.baseline} needs training {items.plural} of at least 2 classes, got "
                f"{len(np.unique(labels))} in {len(labels)} {items}(s)"
            )
        spaces = {name: _Components.of(rows) for name, rows in described.items()}
        folds = stratified_folds(labels, seed)
        best, best_value = (next(iter(spaces)), STRENGTHS[0]), -np.inf
        for strength, name in product(STRENGTHS, spaces):
            if not folds or (deadline is not None and time.monotonic() >= deadline):
                break
            fit = partial(_fit, strength=strength)
            value = validated(spaces[name].rows, labels, num_classes, folds, fit)
            if value > best_value:
                best, best_value = (name, strength), value
        name, strength = best
        head = _fit(spaces[name].rows, labels, num_classes, strength)
        return cls(name, spaces[name].fold_into(head))

    @classmethod
    def restore(cls, tensors: Mapping[str, Tensor], info: Mapping[str, Json]) -> Self:
        """Return the predictor whose `state()` was (tensors, info)."""
        head = LinearHead(tensors["weight"].numpy(), tensors["bias"].numpy())
        return cls(str(info["description"]), head)


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


def validated(
    rows: Any,
    labels: NDArray[np.int64],
    num_classes: int,
    folds: list[NDArray[np.bool_]],
    fit: Callable[[Any, NDArray[np.int64], int], LinearHead],
) -> float:
    """Return the mean log probability of the right classes of held-out items.

    Args:
        rows: (n, d), dense or sparse.
        labels: (n,) classes in [0, K).
        num_classes: K.
        folds: (n,) masks of what is held out in turn.
        fit: Returns a head, given rows, their classes and K.
    """
    probabilities = np.empty((len(labels), num_classes))
    for held_out in folds:
        head = fit(rows[~held_out], labels[~held_out], num_classes)
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
