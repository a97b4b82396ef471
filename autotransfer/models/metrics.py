"""The scores that a search maximises and a verdict compares; higher is always better."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import override

from autotransfer.errors import UnknownNameError

Array: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.int64]

SMALLEST_PROBABILITY = 1e-7  # one certain and wrong answer costs 16.1 nats, not infinity
_CHUNK_ELEMENTS = 1 << 22  # numbers of one chunk of bootstrap weights: 32 MB of float64


class Metric(ABC):
    """A score of class probabilities, whole or on bootstrap resamples of the images.

    Every metric is a sum of *credits*, one for each image; the credits say which images
    make the difference between two predictors.

    Attributes:
        name: What `--metric` takes.
        title: The name for people.
        unit: Unit of a difference as people read it: "points" or "nats".
        scale: Number of those units in one unit of the score.
        reads_decisions: Whether only the most probable class of an image counts.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    unit: ClassVar[str] = "points"
    scale: ClassVar[float] = 100.0
    reads_decisions: ClassVar[bool] = True

    def score(self, labels: ArrayLike, probabilities: ArrayLike) -> float:
        """Return the score of n images; higher is better.

        Args:
            labels: (n,) classes in [0, K).
            probabilities: (n, K) class probabilities.

        Raises:
            ValueError: If the shapes do not fit, a label is outside [0, K), there is no
                image, or a probability is not finite.
        """
        ones = np.ones((1, len(np.asarray(labels))))
        return float(self.resampled(labels, probabilities, ones)[0])

    def resampled(self, labels: ArrayLike, probabilities: ArrayLike, weights: ArrayLike) -> Array:
        """Return the (B,) scores of B resamples; all-ones weights give `score` exactly.

        Args:
            labels: (n,) classes in [0, K).
            probabilities: (n, K) class probabilities.
            weights: (B, n) how often each image occurs in each resample; every row has a
                positive sum.

        Raises:
            ValueError: As `score`, or if `weights` is not (B, n).
        """
        truth, shares = _checked(labels, probabilities)
        multiplicities = np.asarray(weights)
        if multiplicities.ndim != 2 or multiplicities.shape[1] != len(truth):
            raise ValueError(
                f"weights must have the shape (B, {len(truth)}), got {multiplicities.shape}"
            )
        rows = max(1, _CHUNK_ELEMENTS // len(truth))
        scores = [
            self._resampled(truth, shares, multiplicities[start : start + rows].astype(np.float64))
            for start in range(0, len(multiplicities), rows)
        ]
        return np.concatenate([np.empty(0), *scores])

    def credits(self, labels: ArrayLike, probabilities: ArrayLike) -> Array:
        """Return what each image adds to the score, (n,); their sum is the score.

        Raises:
            ValueError: As `score`.
        """
        return self._credits(*_checked(labels, probabilities))

    def display(self, score: float) -> float:
        """Return the score as people expect it; log loss turns positive, lower is better."""
        return score

    @abstractmethod
    def _resampled(self, labels: Labels, probabilities: Array, weights: Array) -> Array:
        """Return the (B,) scores for checked arrays and one chunk of weights."""

    @abstractmethod
    def _credits(self, labels: Labels, probabilities: Array) -> Array:
        """Return the (n,) credits for checked arrays."""


class Accuracy(Metric):
    """The share of images whose most probable class is right."""

    name = "accuracy"
    title = "accuracy"

    @override
    def _resampled(self, labels: Labels, probabilities: Array, weights: Array) -> Array:
        hits = (probabilities.argmax(axis=1) == labels).astype(np.float64)
        scores: Array = (weights @ hits) / weights.sum(axis=1)
        return scores

    @override
    def _credits(self, labels: Labels, probabilities: Array) -> Array:
        shares: Array = (probabilities.argmax(axis=1) == labels) / len(labels)
        return shares


class BalancedAccuracy(Metric):
    """The mean over the classes of the share of their images that is found.

    A class without an image, in the set or in a resample, does not count in the mean.
    """

    name = "balanced_accuracy"
    title = "balanced accuracy"

    @override
    def _resampled(self, labels: Labels, probabilities: Array, weights: Array) -> Array:
        num_classes = probabilities.shape[1]
        truth = _one_hot(labels, num_classes)
        hits = probabilities.argmax(axis=1) == labels
        return _mean_ratio(weights @ (truth * hits[:, None]), weights @ truth)  # (B, K) each

    @override
    def _credits(self, labels: Labels, probabilities: Array) -> Array:
        sizes = np.bincount(labels, minlength=probabilities.shape[1])
        hits = probabilities.argmax(axis=1) == labels
        shares: Array = hits / (sizes[labels] * np.count_nonzero(sizes))
        return shares


class MacroF1(Metric):
    """The mean over the classes of F1 = 2 hits / (images + answers of the class).

    A class counts where it occurs among the labels or the answers, as in scikit-learn; one
    that is neither in a resample's labels nor in its answers does not.
    """

    name = "f1_macro"
    title = "macro F1"

    @override
    def _resampled(self, labels: Labels, probabilities: Array, weights: Array) -> Array:
        num_classes = probabilities.shape[1]
        answers = probabilities.argmax(axis=1)
        truth, answered = _one_hot(labels, num_classes), _one_hot(answers, num_classes)
        hits = weights @ (truth * answered)  # (B, K)
        return _mean_ratio(2 * hits, weights @ (truth + answered))

    @override
    def _credits(self, labels: Labels, probabilities: Array) -> Array:
        num_classes = probabilities.shape[1]
        answers = probabilities.argmax(axis=1)
        sizes = np.bincount(labels, minlength=num_classes)
        sizes = sizes + np.bincount(answers, minlength=num_classes)
        doubled = 2.0 * (answers == labels)
        shares: Array = doubled / (sizes[labels] * np.count_nonzero(sizes))
        return shares


class LogLoss(Metric):
    """The mean log probability of the right class; `display` turns it into the log loss.

    Probabilities are raised to at least 1e-7 and not normalised again.
    """

    name = "log_loss"
    title = "log loss"
    unit = "nats"
    scale = 1.0
    reads_decisions = False

    @override
    def display(self, score: float) -> float:
        return -score

    @override
    def _resampled(self, labels: Labels, probabilities: Array, weights: Array) -> Array:
        # A row-wise sum, not a matrix product: the result does not depend on the other rows.
        sums: Array = (weights * log_right(labels, probabilities)).sum(axis=1)
        means: Array = sums / weights.sum(axis=1)
        return means

    @override
    def _credits(self, labels: Labels, probabilities: Array) -> Array:
        return log_right(labels, probabilities) / len(labels)


METRICS: Mapping[str, Metric] = MappingProxyType(
    {metric.name: metric for metric in (Accuracy(), BalancedAccuracy(), MacroF1(), LogLoss())}
)


def metric_named(name: str) -> Metric:
    """Return the metric of that name.

    Raises:
        UnknownNameError: If there is none; the known ones are listed.
    """
    if name not in METRICS:
        raise UnknownNameError("metric", name, tuple(METRICS))
    return METRICS[name]


def _checked(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Labels, Array]:
    """Return both as arrays whose shapes fit.

    Raises:
        ValueError: As `Metric.score`.
    """
    truth, shares = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if truth.ndim != 1 or shares.ndim != 2 or len(truth) != len(shares) or len(truth) == 0:
        raise ValueError(
            "a score needs (n,) labels and (n, K) probabilities with n at least 1, "
            f"got the shapes {truth.shape} and {shares.shape}"
        )
    if truth.min() < 0 or truth.max() >= shares.shape[1]:
        raise ValueError(
            f"labels must be in [0, {shares.shape[1]}), got {truth.min()} to {truth.max()}"
        )
    if not np.isfinite(shares).all():
        raise ValueError("probabilities must be finite; the predictor returned NaN or infinity")
    return truth.astype(np.int64), shares


def _one_hot(classes: Labels, num_classes: int) -> Array:
    """Return (n, K) with a one in the column of each image's class."""
    columns: Array = (classes[:, None] == np.arange(num_classes)).astype(np.float64)
    return columns


def _mean_ratio(parts: Array, totals: Array) -> Array:
    """Return the (B,) means of (B, K) ratios over the classes whose total is above zero."""
    occurs = totals > 0
    ratios = np.divide(parts, totals, out=np.zeros_like(parts), where=occurs)
    means: Array = ratios.sum(axis=1) / occurs.sum(axis=1)
    return means


def log_right(labels: Labels, probabilities: Array) -> Array:
    """Return the (n,) log probabilities of the right classes, in nats."""
    right = probabilities[np.arange(len(labels)), labels]
    return np.log(np.maximum(right, SMALLEST_PROBABILITY))
