"""Linear discriminant analysis with a shrunk covariance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from autotransfer.models.heads.linear import (
    LinearHead,
    class_means,
    inverse_temperature,
    scale_of,
    with_absent,
)
from autotransfer.models.linear_algebra import principal_axes

MOST_DIMENSIONS = 256  # principal components that are kept where there are more than twice as many
_LEAST_SHRINKAGE, _MOST_SHRINKAGE = 1e-4, 1 - 1e-4
_LEAST_VARIANCE = 1e-12  # of a feature, where all images are alike
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

    The covariance is the mean over the images of each class's own, shrunk by its own
    Ledoit-Wolf intensity: `LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")` of
    scikit-learn, but that it shrinks to a sphere rather than to a diagonal, so that a rotation
    of the features changes nothing. The posterior is brought to the temperature that fits
    held-out images best, in four folds on the same axes.

    Args:
        features: (n, d) frozen features; reduced to 256 principal components where d > 512.
        labels: (n,) classes in [0, K).
        num_classes: K; classes without an image get a probability near zero. With one image
            in every class the covariance is a sphere, and the nearest mean wins.
        regularisation: Multiplies the odds s / (1 - s) of each Ledoit-Wolf intensity s.
        standardise: Whether features are brought to mean 0 and std 1 first.

    References:
        Fisher 1936; the intensity: Ledoit and Wolf, A well-conditioned estimator for
        large-dimensional covariance matrices, Journal of Multivariate Analysis 2004.
    """
    scale = scale_of(features, standardise=standardise)
    x = scale.apply(features)
    centre = x.mean(axis=0)
    x -= centre
    wide = x.shape[1] > 2 * MOST_DIMENSIONS and x.any()
    axes = principal_axes(x, MOST_DIMENSIONS)[0] if wide else None
    z = x if axes is None else x @ axes
    present, places = np.unique(labels, return_inverse=True)
    head = _gaussian(z, places, len(present), regularisation)
    t = _steepness(z, places, regularisation)
    weight = t * (head.weight if axes is None else head.weight @ axes.T)
    whole = LinearHead(weight, t * head.bias - weight @ centre)
    return scale.fold_into(with_absent(whole, present, num_classes))


def _gaussian(
    z: NDArray[np.float64], labels: NDArray[np.int64], num_classes: int, regularisation: float
) -> LinearHead:
    """Return the linear scores log p(z | c) + log p(c), up to what is the same for all classes."""
    counts = np.bincount(labels)
    means = class_means(z, labels, num_classes)
    covariance = _covariance(z, z - means[labels], labels, regularisation)
    weight = linalg.solve(covariance, means.T, assume_a="pos").T
    bias = np.log(counts / len(z)) - np.einsum("ij,ij->i", means, weight) / 2
    return LinearHead(weight, bias)


def _covariance(
    z: NDArray[np.float64],
    within: NDArray[np.float64],
    labels: NDArray[np.int64],
    regularisation: float,
) -> NDArray[np.float64]:
    """Return the (d, d) shrunk covariance; an image alone in its class has no say in it."""
    d = z.shape[1]
    if not within.any():  # one image a class: nothing is known of the spread but its size
        return max(float(np.square(z).mean()), _LEAST_VARIANCE) * np.eye(d)
    shrinkage = _intensities(within, labels, regularisation)[labels]  # (n,)
    told = np.count_nonzero(np.bincount(labels)[labels] > 1)
    rows = within * np.sqrt((1 - shrinkage) / told)[:, None]
    covariance = rows.T @ rows
    sphere = float(shrinkage @ np.square(within).sum(axis=1)) / (told * d)
    covariance.flat[:: d + 1] += max(sphere, _LEAST_VARIANCE)
    return covariance


def _intensities(
    within: NDArray[np.float64], labels: NDArray[np.int64], regularisation: float
) -> NDArray[np.float64]:
    """Return the (K,) shrinkage of each class, its odds multiplied.

    It is at least that of all deviations together: the two of a class of two images mirror each
    other, and so seem to be without noise.
    """
    counts = np.bincount(labels)
    together = _ledoit_wolf(within)
    found = np.array(
        [
            max(together, _ledoit_wolf(within[labels == c])) if counts[c] > 1 else together
            for c in range(len(counts))
        ]
    )
    odds = regularisation * found / (1 - found)
    shrinkage: NDArray[np.float64] = np.clip(odds / (1 + odds), _LEAST_SHRINKAGE, _MOST_SHRINKAGE)
    return shrinkage


def _ledoit_wolf(within: NDArray[np.float64]) -> float:
    """Return the intensity for (n, d) rows of mean zero, kept off 0 and 1.

    Everything follows from the smaller Gram matrix: cost O(n d min(n, d)).
    """
    n, d = within.shape
    gram = within @ within.T if n <= d else within.T @ within
    squares = np.einsum("ij,ij->i", within, within)  # (n,) of each row's length
    size = float(np.square(gram).sum()) / float(n) ** 2  # of the sample covariance
    distance = size - float(squares.mean()) ** 2 / d  # of it from the sphere
    noise = (float(np.square(squares).mean()) - size) / n
    found: float = noise / distance if noise < distance else 1.0
    return min(max(found, _LEAST_SHRINKAGE), _MOST_SHRINKAGE)


def _steepness(z: NDArray[np.float64], labels: NDArray[np.int64], regularisation: float) -> float:
    """Return the factor on held-out scores that minimises the log loss.

    An image that is alone in its class is never held out: the others do not know its class.
    """
    counts = np.bincount(labels)
    if counts.max() < 2:
        return 1 / int(
            z.shape[1]
        )  # squared distances in units of their mean, not of one feature's
    turn = np.full(len(labels), -1)
    for c in np.flatnonzero(counts > 1):
        own = np.flatnonzero(labels == c)
        turn[own] = np.arange(len(own)) % _FOLDS
    scores = np.zeros((len(z), len(counts)))
    for fold in np.unique(turn[turn >= 0]):
        held_out = turn == fold
        head = _gaussian(z[~held_out], labels[~held_out], len(counts), regularisation)
        scores[held_out] = head.logits(z[held_out])
    tested = turn >= 0
    return inverse_temperature(scores[tested], labels[tested])
