"""Multinomial logistic regression in which every row has a weight."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
    mean = np.average(x, axis=0, weights=w)
    std = np.sqrt(np.average(np.square(x - mean), axis=0, weights=w))
    scale = heads.Standardisation(mean, np.where(std > 1e-6, std, 1.0))
    solver = heads.solve_logistic(scale.apply(x), y, heads.DEFAULT_C / regularisation, w)
    return scale.fold_into(heads.full_head(solver, num_classes))


def effective_number(weights: NDArray[np.float64]) -> float:
    """Return (sum w)^2 / sum w^2: how many rows of equal weight say as much (Kish 1965)."""
    return float(weights.sum() ** 2 / np.square(weights).sum())
