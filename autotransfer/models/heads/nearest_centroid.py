"""The nearest class mean: no parameter but a temperature, and one image a class is enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autotransfer.models.heads.linear import (
    LinearHead,
    class_means,
    inverse_temperature,
    scale_of,
    with_absent,
)

_SMALLEST_DISTANCE = 1e-12  # squared; where all images of a class are one


def fit_nearest_mean(
    features: NDArray[np.floating],
    labels: NDArray[np.int64],
    num_classes: int,
    *,
    regularisation: float = 1.0,
    standardise: bool = True,
) -> LinearHead:
    """Return `softmax(-t |x - mean_c|^2)`, which is linear in x.

    The steepness t is the one that fits the distances of each image best, its own class's mean
    taken without it; where no class has two images, 1/t is the mean squared distance.

    Args:
        features: (n, d) frozen features.
        labels: (n,) classes in [0, K).
        num_classes: K; classes without an image get a probability near zero.
        regularisation: Multiplies the temperature 1/t: above 1 the probabilities are flatter.
            No image changes its class by it.
        standardise: Whether features are brought to mean 0 and std 1 first.

    References:
        Mensink et al., Distance-based image classification, IEEE TPAMI 2013.
    """
    scale = scale_of(features, standardise=standardise)
    x = scale.apply(features)
    present, places = np.unique(labels, return_inverse=True)
    means = class_means(x, places, len(present))
    t = _steepness(x, places, means) / regularisation
    head = LinearHead(2 * t * means, -t * np.square(means).sum(axis=1))
    return scale.fold_into(with_absent(head, present, num_classes))


def _steepness(
    x: NDArray[np.float64], labels: NDArray[np.int64], means: NDArray[np.float64]
) -> float:
    """Return t, from the squared distances with each image left out of its own mean."""
    counts = np.bincount(labels)
    distances = (
        np.einsum("ij,ij->i", x, x)[:, None] - 2 * x @ means.T + np.square(means).sum(axis=1)
    )  # (n, K)
    rows = np.flatnonzero(counts[labels] > 1)
    if not len(rows):
        return 1 / max(float(distances.mean()), _SMALLEST_DISTANCE)
    own = labels[rows]
    # x - mean without x is n / (n - 1) times x - mean
    distances[rows, own] *= np.square(counts[own] / (counts[own] - 1.0))
    unit = max(float(distances[rows, own].mean()), _SMALLEST_DISTANCE)
    return inverse_temperature(-distances[rows] / unit, own) / unit
