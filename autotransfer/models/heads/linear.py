"""A linear classifier as plain data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax

_SHORTEST = 1e-12  # length of a row
_ABSENT = -30.0  # of a class without a training image, to the mean of the others: about 1e-13
_SMALLEST_STD = 1e-6  # a constant feature carries nothing; dividing by its std would be noise


@dataclass(frozen=True)
class LinearHead:
    """Class probabilities softmax(x W' + b).

    Args:
        weight: (K, d), any standardisation of the features folded in.
        bias: (K,).
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    def logits(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the (n, K) scores of (n, d) features."""
        return features.astype(np.float64) @ self.weight.T + self.bias

    def probabilities(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the (n, K) class probabilities of (n, d) features."""
        return softmax(self.logits(features), axis=1)


@dataclass(frozen=True)
class Standardisation:
    """The mean and the standard deviation of each of d features."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> Standardisation:
        """Return the statistics of (n, d) features; constant ones get the std 1."""
        mean = features.mean(axis=0, dtype=np.float64)
        std = features.std(axis=0, dtype=np.float64)
        return cls(mean, np.where(std > _SMALLEST_STD, std, 1.0))

    @classmethod
    def identity(cls, num_features: int) -> Standardisation:
        """Return the statistics that change nothing."""
        return cls(np.zeros(num_features), np.ones(num_features))

    def apply(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the (n, d) features with mean 0 and std 1, in an array of their own."""
        standardised: NDArray[np.float64] = np.subtract(features, self.mean, dtype=np.float64)
        standardised /= self.std
        return standardised

    def fold_into(self, head: LinearHead) -> LinearHead:
        """Return the head that reads raw features, given one that reads standardised ones."""
        weight = head.weight / self.std
        return LinearHead(weight, head.bias - weight @ self.mean)


def scale_of(features: NDArray[np.floating], *, standardise: bool) -> Standardisation:
    """Return the statistics of (n, d) features, or those that change nothing."""
    if standardise:
        return Standardisation.of(features)
    return Standardisation.identity(features.shape[1])


def unit_rows(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n, d) features with every row of length one; rows of zeros stay."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit: NDArray[np.float64] = features / np.maximum(lengths, _SHORTEST)
    return unit


def with_absent(head: LinearHead, present: NDArray[np.int64], num_classes: int) -> LinearHead:
    """Return a head of all K classes, given one of those that occur.

    The others score 30 below the mean of those that occur, wherever the features lie, and so get
    a probability below 1e-13. A constant score would win where all others are far away.

    Args:
        head: Scores of the classes that occur, in the order of `present`.
        present: The classes that occur, ascending.
        num_classes: K.
    """
    if len(present) == num_classes:
        return head
    weight = np.tile(head.weight.mean(axis=0), (num_classes, 1))
    bias = np.full(num_classes, head.bias.mean() + _ABSENT)
    weight[present], bias[present] = head.weight, head.bias
    return LinearHead(weight, bias)


def class_means(
    features: NDArray[np.float64], labels: NDArray[np.int64], num_classes: int
) -> NDArray[np.float64]:
    """Return the (K, d) mean of each class; every class has to occur."""
    members = np.equal.outer(np.arange(num_classes), labels).astype(np.float64)  # (K, n)
    means: NDArray[np.float64] = members @ features / members.sum(axis=1, keepdims=True)
    return means


def inverse_temperature(
    scores: NDArray[np.float64], labels: NDArray[np.int64], *, reach: float = 6.0
) -> float:
    """Return the factor on (n, K) held-out scores that minimises their log loss.

    Args:
        scores: (n, K) logits.
        labels: (n,) classes in [0, K).
        reach: The largest natural logarithm of the factor, or of its inverse.

    References:
        Guo et al., On Calibration of Modern Neural Networks, ICML 2017, arXiv:1706.04599.
    """
    rows = np.arange(len(labels))

    def loss(log_scale: float) -> float:
        logits = np.exp(log_scale) * scores
        logits -= logits.max(axis=1, keepdims=True)
        return -float((logits[rows, labels] - np.log(np.exp(logits).sum(axis=1))).mean())

    found = minimize_scalar(loss, bounds=(-reach, reach), method="bounded")
    return float(np.exp(found.x))
