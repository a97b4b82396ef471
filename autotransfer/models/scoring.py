"""Scoring a predictor on labelled images that its strategy never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.models.metrics import SMALLEST_PROBABILITY, Metric, metric_named
from autotransfer.models.predictors.base import FeatureReader, Predictor

_ROW_SUM_TOLERANCE = 1e-4
_DECIMALS = 12  # what is left of rounding errors must not put one trial before another


@dataclass(frozen=True)
class Score:
    """The metric, higher is better, and the log loss that breaks ties, lower is better.

    Args:
        value: The metric.
        log_loss: In nats.
        probabilities: (n, K) what they were computed from.
    """

    value: float
    log_loss: float
    probabilities: NDArray[np.float64] = field(repr=False, compare=False)


def logit_adjusted(
    probabilities: NDArray[np.float64], weights: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return the probabilities for classes that count w_k times as much as they occur.

    With w_k = 1 / frequency the most probable class is the one that balanced accuracy wants.

    Args:
        probabilities: (n, K).
        weights: (K,) positive; None changes nothing.

    References:
        Menon et al., Long-tail Learning via Logit Adjustment, ICLR 2021, arXiv:2007.07314.
    """
    if weights is None:
        return probabilities
    raised = np.maximum(probabilities, SMALLEST_PROBABILITY) * weights
    shares: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return shares


def predicted(
    predictor: Predictor, images: ImageSet, features: FeatureReader, num_classes: int
) -> NDArray[np.float64]:
    """Return the checked (n, K) probabilities of a predictor.

    Raises:
        ValueError: If they have another shape, are not finite, or do not sum to one.
    """
    probabilities = np.asarray(predictor.predict(images, features), dtype=np.float64)
    if probabilities.shape != (len(images), num_classes):
        raise ValueError(
            f"the predictor returned the shape {probabilities.shape}, expected "
            f"{(len(images), num_classes)}"
        )
    if not np.isfinite(probabilities).all():
        raise ValueError("the predictor returned NaN or infinity")
    if np.abs(probabilities.sum(axis=1) - 1).max(initial=0.0) > _ROW_SUM_TOLERANCE:
        raise ValueError("the predictor returned rows that do not sum to one")
    return probabilities


def evaluate(
    predictor: Predictor,
    images: ImageSet,
    features: FeatureReader,
    *,
    metric: Metric,
    num_classes: int,
    class_weights: NDArray[np.float64] | None = None,
) -> Score:
    """Return the score of a predictor on labelled images."""
    raw = predicted(predictor, images, features, num_classes)
    probabilities = logit_adjusted(raw, class_weights)
    return Score(
        metric.score(images.labels, probabilities),
        -metric_named("log_loss").score(images.labels, probabilities),
        probabilities,
    )


def mean_over_folds(values: Sequence[float], images: Sequence[int]) -> float:
    """Return the mean of the folds' scores in which every image weighs the same.

    For accuracy and log loss it is the score of all out-of-fold predictions together. Trials with
    as many right answers are equal, whichever folds these are in; there the log loss decides.

    Args:
        values: The score of every fold.
        images: The number of validation images of every fold.
    """
    return round(float(np.average(values, weights=images)), _DECIMALS)
