"""Linear discriminant analysis with a shrunk covariance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from sklearn.covariance import ledoit_wolf_shrinkage

from autotransfer.heads.linear import ABSENT, LinearHead, Standardisation, inverse_temperature

MOST_DIMENSIONS = 256  # principal components that are kept where there are more than twice as many
_LEAST_SHRINKAGE, _MOST_SHRINKAGE = 1e-4, 1 - 1e-4
_FOLDS = 4  # for the temperature: the posterior of LDA is too sure of itself


def fit_discriminant(
    features: NDArray[np.floating],
    labels: NDArray[np.int64],
    num_classes: int,
    *,
    regularisation: float = 1.0,
    standardise: bool = True,
) -> LinearHead:
    """Return LDA: Gaussian classes with one covariance, shrunk towards a sphere.

    Args:
        features: (n, d) frozen features; reduced to 256 principal components where d > 512.
        labels: (n,) classes in [0, K).
        num_classes: K; classes without a picture get a probability near zero.
        regularisation: Multiplies the odds s / (1 - s) of the Ledoit-Wolf intensity s.
        standardise: Whether features are brought to mean 0 and std 1 first.

    References:
        Fisher 1936; the intensity: Ledoit and Wolf, A well-conditioned estimator for
        large-dimensional covariance matrices, Journal of Multivariate Analysis 2004.
    """
    width = features.shape[1]
    scale = Standardisation.of(features) if standardise else Standardisation.identity(width)
    x = scale.apply(features)
    centre = x.mean(axis=0)
    axes = _axes(x - centre)
    z = (x - centre) @ axes if axes is not None else x - centre
    head = _gaussian(z, labels, num_classes, regularisation)
    steepness = _steepness(z, labels, num_classes, regularisation)
    weight = steepness * (head.weight if axes is None else head.weight @ axes.T)
    bias = np.where(head.bias > ABSENT, steepness * head.bias, head.bias)
    return scale.fold_into(LinearHead(weight, bias - weight @ centre))


def _axes(centred: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the (d, 256) leading principal axes, or None where all features are kept."""
    n, d = centred.shape
    if d <= 2 * MOST_DIMENSIONS:
        return None
    kept = min(MOST_DIMENSIONS, n)
    if n < d:
        values, left = linalg.eigh(centred @ centred.T, subset_by_index=(n - kept, n - 1))
        good = values > n * np.finfo(float).eps * values[-1]
        axes: NDArray[np.float64] = centred.T @ (left[:, good] / np.sqrt(values[good]))
        return axes
    _, right = linalg.eigh(centred.T @ centred, subset_by_index=(d - kept, d - 1))
    return np.asarray(right)


def _gaussian(
    z: NDArray[np.float64], labels: NDArray[np.int64], num_classes: int, regularisation: float
) -> LinearHead:
    """Return the linear scores log p(z | c) + log p(c), up to what is the same for all classes."""
    counts = np.bincount(labels, minlength=num_classes)
    sums = np.zeros((num_classes, z.shape[1]))
    np.add.at(sums, labels, z)
    means = sums / np.maximum(counts, 1)[:, None]
    within = z - means[labels]
    covariance = within.T @ within / len(z)
    shrinkage = _shrinkage(within, regularisation)
    sphere = max(float(np.trace(covariance)) / len(covariance), 1e-12)
    covariance *= 1 - shrinkage
    covariance.flat[:: len(covariance) + 1] += shrinkage * sphere
    weight = linalg.solve(covariance, means.T, assume_a="pos").T
    prior = np.log(np.maximum(counts, 1) / len(z))
    bias = prior - np.einsum("ij,ij->i", means, weight) / 2
    return LinearHead(weight, np.where(counts > 0, bias, ABSENT))


def _shrinkage(within: NDArray[np.float64], regularisation: float) -> float:
    if not within.any():  # one picture a class: nothing is known of the spread
        return _MOST_SHRINKAGE
    found = float(ledoit_wolf_shrinkage(within, assume_centered=True))
    found = min(max(found, _LEAST_SHRINKAGE), _MOST_SHRINKAGE)
    odds = regularisation * found / (1 - found)
    return min(max(odds / (1 + odds), _LEAST_SHRINKAGE), _MOST_SHRINKAGE)


def _steepness(
    z: NDArray[np.float64], labels: NDArray[np.int64], num_classes: int, regularisation: float
) -> float:
    """Return the factor on held-out scores that minimises the log loss."""
    counts = np.bincount(labels, minlength=num_classes)
    if counts[counts > 0].min() < 2:
        return 1.0
    turn = np.empty(len(labels), dtype=np.int64)
    for c in np.flatnonzero(counts):
        own = np.flatnonzero(labels == c)
        turn[own] = np.arange(len(own)) % min(_FOLDS, int(counts[counts > 0].min()))
    scores = np.empty((len(z), num_classes))
    for fold in np.unique(turn):
        held_out = turn == fold
        head = _gaussian(z[~held_out], labels[~held_out], num_classes, regularisation)
        scores[held_out] = head.logits(z[held_out])
    return inverse_temperature(scores, labels)
