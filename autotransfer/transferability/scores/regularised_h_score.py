"""The H-score with the covariance shrunk as Ledoit and Wolf do."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from autotransfer.models.linear_algebra import Array
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator


def shrinkage(statistics: Statistics) -> float:
    """Return the Ledoit-Wolf shrinkage of the (d, d) covariance, in [0, 1].

    From the trace and norm of the Gram and the fourth moment alone (Ledoit and Wolf 2004,
    A well-conditioned estimator for large-dimensional covariance matrices).
    """
    n, d = statistics.num_images, statistics.num_features
    trace, square = statistics.trace / n, (statistics.gram_norm / n) ** 2
    noise = (statistics.fourth_moment / n - square) / (d * n)
    distance = (square - trace**2 / d) / d  # from the nearest multiple of the identity
    if noise <= 0:
        return 0.0
    return min(noise, distance) / distance if distance > 0 else 1.0


def regularised_h_score(statistics: Statistics) -> float:
    """Return the trace of the class-mean covariance in the shrunk covariance, in [0, K - 1)."""
    statistics.require_spread("regularised-h-score")
    amount = shrinkage(statistics)
    if amount >= 1:
        return 0.0
    n = statistics.num_images
    ridge = amount * statistics.trace / (n * statistics.num_features)
    if statistics.is_dual:
        traces = _dual(statistics, amount, ridge)
    else:
        traces = _primal(statistics, amount, ridge)
    # the covariance of the class means is unbiased, that of the features is not
    return (1 - amount) * float(traces.sum()) / (n - 1)


def _primal(statistics: Statistics, amount: float, ridge: float) -> Array:
    """Return n_c m_c' M^-1 m_c of each class, M the shrunk covariance."""
    shrunk: Array = statistics.gram * ((1 - amount) / statistics.num_images)
    shrunk.flat[:: len(shrunk) + 1] += ridge
    factor = linalg.cholesky(shrunk, lower=True, overwrite_a=True, check_finite=False)
    scaled = statistics.moments.class_sums / np.sqrt(statistics.counts)[:, None]
    half = linalg.solve_triangular(factor, scaled.T, lower=True, check_finite=False)
    traces: Array = np.square(half).sum(axis=0)
    return traces


def _dual(statistics: Statistics, amount: float, ridge: float) -> Array:
    """Return the same through the spectrum of the (n, n) dual."""
    values, vectors = statistics.spectrum.values, statistics.spectrum.vectors
    filtered = values / ((1 - amount) / statistics.num_images * values + ridge)
    sums = [vectors[own].sum(axis=0) for own in statistics.positions_by_class()]
    traces: Array = np.square(np.stack(sums)) @ filtered / statistics.counts
    return traces


class RegularisedHScore(TransferabilityEstimator):
    """H-score with a shrunk covariance: defined for n <= d, 0 where shrinkage is total.

    References:
        Ibrahim, Ponomareva and Mazumder, Newer is not always better, 2021, arXiv:2110.06893,
        Ledoit and Wolf 2004.
    """

    name = "regularised-h-score"
    family = "linear fit"
    score = staticmethod(regularised_h_score)
