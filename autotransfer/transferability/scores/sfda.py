"""SFDA: regularised discriminant analysis, repeated on confidence-mixed features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import linalg
from scipy.special import softmax

from autotransfer.errors import UndefinedScoreError
from autotransfer.models.linear_algebra import Array, add_outer, mirror_lower, spans
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.models.statistics.moments import class_indicator
from autotransfer.plugin.estimator import TransferabilityEstimator

TEMPERATURE = 5.0  # of the shrinkage exp(-5 lambda_max) in the paper
MINIMUM_SHRINKAGE = 1e-10
POWER_STEPS = 3  # of the authors' estimate of lambda_max


@dataclass(frozen=True)
class _Discriminant:
    """Linear discriminants: (K, r) weights and (K,) offsets."""

    weight: Array
    offset: Array

    def posterior(self, rows: Array) -> Array:
        """Return the (b, K) class probabilities of centred (b, r) rows."""
        return softmax(rows @ self.weight.T + self.offset, axis=1)


def sfda(statistics: Statistics) -> float:
    """Return the mean posterior of the right class on mixed features, in [0, 1].

    The posterior is that of the training images: it is 1 for every n < d.
    """
    statistics.require_spread("sfda")
    means = _class_means(statistics)
    within = _within(statistics, means)
    mean_variance = float(np.trace(within)) / statistics.num_features
    if mean_variance <= 0:
        raise UndefinedScoreError("sfda is undefined: no class has any spread")
    amount = _shrinkage(within, _ones(statistics))
    first = _discriminant(statistics, within, means, amount)
    confidence = _confidence(statistics, first)
    mixed_means = _mixed_means(statistics, means, confidence)
    mixed_within = _mixed_within(statistics, means, mixed_means, confidence)
    second = _discriminant(statistics, mixed_within, mixed_means, amount)
    total = 0.0
    for part, block in _mixed_blocks(statistics, means, confidence):
        own = statistics.labels[part]
        total += float(second.posterior(block)[np.arange(len(own)), own].sum())
    return total / statistics.num_images


def _blocks(statistics: Statistics) -> Iterator[tuple[slice, Array]]:
    """Yield centred rows; for n <= d in their n - 1 principal axes, which changes nothing."""
    if not statistics.is_dual:
        yield from statistics.centred_blocks()
        return
    rows = statistics.coordinates
    for part in spans(*rows.shape):
        yield part, rows[part].copy()


def _class_means(statistics: Statistics) -> Array:
    if not statistics.is_dual:
        return statistics.class_means
    rows = statistics.coordinates
    return np.stack([rows[own].mean(axis=0) for own in statistics.positions_by_class()])


def _ones(statistics: Statistics) -> Array:
    """Return the vector of ones, from which the power iteration starts, in the same axes."""
    if not statistics.is_dual:
        return np.ones(statistics.num_features)
    sums = np.empty(statistics.num_images)
    for part, block in statistics.centred_blocks():
        sums[part] = block.sum(axis=1)
    spectrum = statistics.spectrum
    return (spectrum.vectors.T @ sums) / np.sqrt(spectrum.values)


def _within(statistics: Statistics, means: Array) -> Array:
    """Return the covariance within classes, from the shared Gram."""
    gram = np.diag(statistics.spectrum.values) if statistics.is_dual else statistics.gram
    between = means.T @ (statistics.counts[:, None] * means)
    return (gram - between) / statistics.num_images


def _shrinkage(within: Array, start: Array) -> float:
    right = within @ start
    left = right
    for _ in range(POWER_STEPS):
        left = _unit(within @ right)
        right = _unit(within @ left)
    largest = float(right @ within @ left)
    return max(float(np.exp(-TEMPERATURE * largest)), MINIMUM_SHRINKAGE)


def _unit(vector: Array) -> Array:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else vector


def _discriminant(
    statistics: Statistics, within: Array, means: Array, amount: float
) -> _Discriminant:
    mean_variance = float(np.trace(within)) / statistics.num_features
    shrunk = (1 - amount) * within
    shrunk.flat[:: len(shrunk) + 1] += amount * mean_variance
    try:
        factor = linalg.cho_factor(shrunk, lower=True, overwrite_a=True, check_finite=False)
    except linalg.LinAlgError as error:
        raise UndefinedScoreError(
            "sfda is undefined: the images of each class have the same features"
        ) from error
    weight = linalg.cho_solve(factor, means.T, check_finite=False).T
    prior = np.log(statistics.counts / statistics.num_images)
    return _Discriminant(weight, prior - np.einsum("ij,ij->i", means, weight) / 2)


def _confidence(statistics: Statistics, discriminant: _Discriminant) -> Array:
    """Return the (n,) softened posterior of the right class (a softmax of probabilities)."""
    found = np.empty(statistics.num_images)
    for part, block in _blocks(statistics):
        own = statistics.labels[part]
        softened = softmax(discriminant.posterior(block), axis=1)
        found[part] = softened[np.arange(len(own)), own]
    return found


def _mixed_blocks(
    statistics: Statistics, means: Array, confidence: Array
) -> Iterator[tuple[slice, Array]]:
    """Yield p x + (1 - p) (mean of the other classes' means), the paper's ConfMix."""
    others = (means.sum(axis=0) - means) / (statistics.num_classes - 1)
    for part, block in _blocks(statistics):
        share = confidence[part, None]
        block *= share
        block += (1 - share) * others[statistics.labels[part]]
        yield part, block


def _mixed_means(statistics: Statistics, means: Array, confidence: Array) -> Array:
    sums = np.zeros_like(means)
    for part, block in _mixed_blocks(statistics, means, confidence):
        sums += class_indicator(statistics.labels[part], statistics.num_classes) @ block
    return sums / statistics.counts[:, None]


def _mixed_within(
    statistics: Statistics, means: Array, mixed_means: Array, confidence: Array
) -> Array:
    size = means.shape[1]
    total: Array = np.zeros((size, size), order="F")
    for part, block in _mixed_blocks(statistics, means, confidence):
        block -= mixed_means[statistics.labels[part]]
        add_outer(total, block)
    mirror_lower(total)
    return total / statistics.num_images


class Sfda(TransferabilityEstimator):
    """Self-challenging discriminant analysis; saturates at 1 for few images.

    References:
        Shao et al., Not All Models Are Equal: Predicting Model Transferability in a
        Self-challenging Fisher Space, ECCV 2022, arXiv:2207.03036.
    """

    name = "sfda"
    family = "linear fit"
    score = staticmethod(sfda)
