"""Multinomial logistic regression in which every row has a weight."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from autotransfer.plugin import heads


def fit_weighted_logistic(
    features: NDArray[np.floating],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    num_classes: int,
    *,
    regularisation: float = 1.0,
) -> heads.LinearHead:
    """Return the minimum of sum_i w_i CE_i + |W|^2 / (2 C), on weighted standardised features.

    The weights are scaled so that they sum to their effective number: equal weights count as
    one each, and a few heavy rows among many light ones count as few, so the penalty means
    the same throughout.

    Args:
        features: (n, d).
        labels: (n,) classes in [0, K).
        weights: (n,) not negative; rows of weight zero are as if absent.
        num_classes: K; classes without a row get a probability near zero.
        regularisation: Multiplier of the default penalty, C = 0.1 / regularisation.
    """
    kept = weights > 0
    x, y, w = features[kept].astype(np.float64), labels[kept], weights[kept]
    w = w * (effective_number(w) / w.sum())
    scale = _weighted_standardisation(x, w)
    head = full_head(solve(scale.apply(x), y, w, heads.DEFAULT_C / regularisation), num_classes)
    return scale.fold_into(head)


def effective_number(weights: NDArray[np.float64]) -> float:
    """Return (sum w)^2 / sum w^2: how many rows of equal weight say as much (Kish 1965)."""
    return float(weights.sum() ** 2 / np.square(weights).sum())


def solve(
    x: NDArray[np.float64],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    strength: float,
    *,
    again: LogisticRegression | None = None,
) -> LogisticRegression:
    """Return the fitted regression.

    Args:
        x: (n, d).
        labels: (n,).
        weights: (n,).
        strength: C.
        again: An earlier fit to start from; it is changed.
    """
    solver = again or LogisticRegression(
        C=strength, max_iter=heads.MAX_ITERATIONS, warm_start=True
    )
    with warnings.catch_warnings():  # an early stop of the solver is a regulariser, not a fault
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        return solver.fit(x, labels, weights)


def full_head(solver: LogisticRegression, num_classes: int) -> heads.LinearHead:
    """Return the regression with a row for each of K classes."""
    weight, bias = solver.coef_, solver.intercept_
    if len(solver.classes_) == 2:  # scikit-learn keeps one row for two classes
        weight, bias = np.vstack([-weight, weight]) / 2, np.hstack([-bias, bias]) / 2
    return heads.with_absent(heads.LinearHead(weight, bias), solver.classes_, num_classes)


def _weighted_standardisation(
    x: NDArray[np.float64], weights: NDArray[np.float64]
) -> heads.Standardisation:
    mean = np.average(x, axis=0, weights=weights)
    std = np.sqrt(np.average(np.square(x - mean), axis=0, weights=weights))
    return heads.Standardisation(mean, np.where(std > 1e-6, std, 1.0))
