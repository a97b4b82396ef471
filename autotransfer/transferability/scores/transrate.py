"""TransRate: the coding rate of the features less that of each class."""

from __future__ import annotations

from typing import Literal

import numpy as np
from typing_extensions import override

from autotransfer.models.linear_algebra import Array, add_outer, log_determinant
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator

DISTORTION = 1e-4  # epsilon of the paper's experiments
Weighting = Literal["size", "equal"]


def transrate(statistics: Statistics, weighting: Weighting = "size") -> float:
    """Return R(Z) - R(Z | y) in nats, at least 0; grows with width and feature scale.

    Args:
        statistics: Of the source on the target.
        weighting: "size" weights a class by n_c / n (the paper's text), "equal" by 1 / K (the
            paper's listing).
    """
    statistics.require_spread("transrate")
    n, K = statistics.num_images, statistics.num_classes
    total = _rate(np.array(statistics.gram, order="F"), n)
    weights = statistics.counts / n if weighting == "size" else np.full(K, 1 / K)
    return total - float(weights @ _class_rates(statistics))


def _class_rates(statistics: Statistics) -> Array:
    rates = np.empty(statistics.num_classes)
    for c, own in enumerate(statistics.positions_by_class()):
        if statistics.is_dual:
            gram: Array = np.array(statistics.gram[np.ix_(own, own)], order="F")
        else:
            gram = _smaller_gram(statistics.rows[own] - statistics.mean)
        rates[c] = _rate(gram, len(own))
    return rates


def _smaller_gram(rows: Array) -> Array:
    """Return the lower triangle of rows' rows or of rows rows', whichever is smaller."""
    size = min(rows.shape)
    gram: Array = np.zeros((size, size), order="F")
    add_outer(gram, rows if size == rows.shape[1] else np.ascontiguousarray(rows.T))
    return gram


def _rate(gram: Array, n: int) -> float:
    """Return 1/2 log det(I + Z'Z / (n eps)), overwriting the Gram or its dual."""
    gram /= n * DISTORTION
    gram.flat[:: len(gram) + 1] += 1.0
    return log_determinant(gram) / 2


class TransRate(TransferabilityEstimator):
    """Mutual information of features and labels as a difference of coding rates.

    Rows are centred and not normalised.

    References:
        Huang et al., Frustratingly Easy Transferability Estimation, ICML 2022,
        arXiv:2106.09362.
    """

    name = "transrate"

    def __init__(self, weighting: Weighting = "size") -> None:
        self.weighting: Weighting = weighting

    @override
    def score(self, statistics: Statistics) -> float:
        return transrate(statistics, self.weighting)
