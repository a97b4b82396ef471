"""The nearest class mean: no parameter but a temperature, and one picture a class is enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autotransfer.heads.linear import LinearHead, Standardisation, inverse_temperature

_NEVER = -1e4  # logit of a class without a picture; far scores are strongly negative here
_FALLBACK_TEMPERATURE = 1.0  # in units of the mean squared distance to the own mean


def fit_nearest_mean(
    features: NDArray[np.floating],
    labels: NDArray[np.int64],
    num_classes: int,
    *,
    regularisation: float = 1.0,
    standardise: bool = True,
) -> LinearHead:
    """Return softmax(-t |x - mean_c|^2), which is linear in x.

    The temperature is the one that fits the scores of each picture against its own class's mean
    without that picture; where no class has two pictures it is the spread of all.

    Args:
        features: (n, d) frozen features.
        labels: (n,) classes in [0, K).
        num_classes: K; classes without a picture get a probability near zero.
        regularisation: Divides 1/t, the temperature: above 1 the probabilities are flatter.
        standardise: Whether features are brought to mean 0 and std 1 first.

    References:
        Mensink et al., Distance-based image classification, IEEE TPAMI 2013.
    """
    width = features.shape[1]
    scale = Standardisation.of(features) if standardise else Standardisation.identity(width)
    x = scale.apply(features)
    counts = np.bincount(labels, minlength=num_classes)
    sums = np.zeros((num_classes, width))
    np.add.at(sums, labels, x)
    means = sums / np.maximum(counts, 1)[:, None]
    steepness = _steepness(x, labels, means, counts) / regularisation
    bias = -steepness * np.square(means).sum(axis=1)
    head = LinearHead(2 * steepness * means, np.where(counts > 0, bias, _NEVER))
    return scale.fold_into(head)


def _steepness(
    x: NDArray[np.float64],
    labels: NDArray[np.int64],
    means: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> float:
    """Return t, from the squared distances with each picture left out of its own mean."""
    norms = np.square(x).sum(axis=1)[:, None]
    distances = norms - 2 * x @ means.T + np.square(means).sum(axis=1)
    distances[:, counts == 0] = np.inf
    rows = np.flatnonzero(counts[labels] > 1)
    if not len(rows):
        finite = distances[np.isfinite(distances)]
        return _FALLBACK_TEMPERATURE / max(float(finite.mean()), 1e-12)
    own = counts[labels[rows]] / (counts[labels[rows]] - 1.0)  # x - mean grows by n / (n - 1)
    distances[rows, labels[rows]] *= np.square(own)
    unit = max(float(distances[rows, labels[rows]].mean()), 1e-12)
    present = counts > 0
    scores = -distances[np.ix_(rows, np.flatnonzero(present))] / unit
    compressed = (np.cumsum(present) - 1)[labels[rows]]
    return inverse_temperature(scores, compressed) / unit
