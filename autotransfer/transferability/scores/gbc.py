"""GBC: the overlap of classes as Gaussians, by the Bhattacharyya coefficient."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import logsumexp

from autotransfer.errors import UndefinedScoreError
from autotransfer.models.linear_algebra import Array, squared_distances
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.models.statistics.moments import class_indicator
from autotransfer.plugin.estimator import TransferabilityEstimator

MINIMUM_VARIANCE = 1e-4  # of the authors' code; a class of one image has no variance
MAXIMUM_DIAGONAL_CLASSES = 2000  # K^2 d logarithms: minutes beyond
_CLASSES_AT_ONCE = 256


def gbc(statistics: Statistics) -> float:
    """Return minus the summed overlap of all ordered pairs of spherical classes.

    In [-K (K - 1), 0]. Far apart in many features every overlap is zero to machine precision:
    use `log_gbc` there.
    """
    return -float(np.exp(log_gbc(statistics)))


def log_gbc(statistics: Statistics) -> float:
    """Return the logarithm of the summed overlap of spherical classes; lower is better."""
    statistics.require_spread("gbc")
    parts = [logsumexp(overlaps) for overlaps in _spherical(statistics)]
    return float(logsumexp(parts))


def _spherical(statistics: Statistics) -> Iterator[Array]:
    """Yield minus the Bhattacharyya distances of some classes to all others, flat."""
    d, means = statistics.num_features, statistics.class_means
    variances = _diagonal_variances(statistics).mean(axis=1)  # (K,) of a feature in each class
    for part, mask in _pairs(statistics.num_classes):
        middle = (variances[part, None] + variances) / 2
        ratio = np.log(middle) - np.log(np.outer(variances[part], variances)) / 2
        between = squared_distances(means[part], means)
        yield -(between / (8 * middle) + d / 2 * ratio)[mask]


def gbc_diagonal(statistics: Statistics) -> float:
    """Return minus the summed overlap of classes with a variance for each feature.

    Raises:
        UndefinedScoreError: For more than 2000 classes; the pairs would take too long.
    """
    statistics.require_spread("gbc-diagonal")
    if statistics.num_classes > MAXIMUM_DIAGONAL_CLASSES:
        raise UndefinedScoreError(
            f"gbc-diagonal compares all pairs of classes; {statistics.num_classes} are too many "
            f"(at most {MAXIMUM_DIAGONAL_CLASSES}); use gbc"
        )
    means, variances = statistics.class_means, _diagonal_variances(statistics)
    logs = np.log(variances).sum(axis=1)
    total = 0.0
    for c in range(statistics.num_classes - 1):  # unordered pairs: each counts twice
        middle = (variances[c] + variances[c + 1 :]) / 2
        between = (np.square(means[c + 1 :] - means[c]) / middle).sum(axis=1) / 8
        ratio = np.log(middle).sum(axis=1) - (logs[c] + logs[c + 1 :]) / 2
        total += 2 * float(np.exp(-between - ratio / 2).sum())
    return -total


def _diagonal_variances(statistics: Statistics) -> Array:
    """Return the (K, d) variance of each feature within each class."""
    squares = np.zeros_like(statistics.class_means)
    for part, block in statistics.centred_blocks():
        labels = statistics.labels[part]
        block -= statistics.class_means[labels]
        squares += class_indicator(labels, statistics.num_classes) @ np.square(block)
    return np.maximum(squares / statistics.counts[:, None], MINIMUM_VARIANCE)


def _pairs(
    num_classes: int,
) -> Iterator[tuple[slice, np.ndarray[tuple[int, int], np.dtype[np.bool_]]]]:
    """Yield some classes and the (b, K) mask of the pairs of two different ones."""
    for start in range(0, num_classes, _CLASSES_AT_ONCE):
        part = slice(start, min(start + _CLASSES_AT_ONCE, num_classes))
        yield part, np.arange(start, part.stop)[:, None] != np.arange(num_classes)


class Gbc(TransferabilityEstimator):
    """Class separability with one variance for each class.

    The log-determinant counts once for each feature, as in the paper (the public code counts
    it once in all).

    References:
        Pandy et al., Transferability Estimation using Bhattacharyya Class Separability,
        CVPR 2022, arXiv:2111.12780.
    """

    name = "gbc"
    family = "gaussian overlap"
    score = staticmethod(gbc)


class GbcDiagonal(TransferabilityEstimator):
    """Class separability with a variance for each class and feature.

    References:
        Pandy et al., CVPR 2022, arXiv:2111.12780, with diagonal covariances.
    """

    name = "gbc-diagonal"
    family = "gaussian overlap"
    score = staticmethod(gbc_diagonal)
