"""Leave-one-out accuracy of ridge regression, in closed form."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autotransfer.errors import UndefinedScoreError
from autotransfer.models.heads.ridge import PENALTIES, held_out_scores
from autotransfer.models.linear_algebra import Array
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator

MAXIMUM_SCORES = 50_000_000  # n x K of them, 400 MB


def leave_one_out(statistics: Statistics, penalties: Array) -> Iterator[Array]:
    """Yield the (n, K) scores of each image by the ridge fit without it, for each penalty.

    Args:
        statistics: Of the source on the target.
        penalties: Ridge penalties, added to the eigenvalues of the centred Gram.
    """
    values = statistics.spectrum.values
    left = statistics.coordinates / np.sqrt(values)  # (n, r) orthonormal columns
    targets = np.equal.outer(statistics.labels, np.arange(statistics.num_classes)).astype(float)
    return held_out_scores(left, values, targets, penalties)


def leave_one_out_hits(statistics: Statistics) -> Array:
    """Return (n,) 1 or 0: whether the ridge fit without an image is right about it.

    The penalty is the one of least leave-one-out squared error. NaN for an image alone in its
    class, which the others cannot tell.

    Raises:
        UndefinedScoreError: If no class has two images, or n x K is beyond 50 million.
    """
    statistics.require_spread("ridge-loo")
    require_affordable(statistics, "ridge-loo")
    known = statistics.counts[statistics.labels] > 1
    if not known.any():
        raise UndefinedScoreError("ridge-loo is undefined: no class has two images")
    labels = statistics.labels[known]
    unit = statistics.trace / len(statistics.spectrum.values)
    hits = np.full(statistics.num_images, np.nan)
    best_error = np.inf
    for scores in leave_one_out(statistics, PENALTIES * unit):
        scores = scores[known]
        right = scores.argmax(axis=1) == labels
        scores[np.arange(len(labels)), labels] -= 1.0
        error = float(np.square(scores).mean())
        if error < best_error:
            best_error, hits[known] = error, right
    return hits


def require_affordable(statistics: Statistics, name: str) -> None:
    """Refuse what needs a score for each image and class where there are too many.

    Raises:
        UndefinedScoreError: If n x K is beyond 50 million.
    """
    n, K = statistics.num_images, statistics.num_classes
    if n * K > MAXIMUM_SCORES:
        raise UndefinedScoreError(
            f"{name} needs a score for each of {n} images and {K} classes, at most "
            f"{MAXIMUM_SCORES} in all; use fewer images, or knn"
        )


def ridge_loo(statistics: Statistics) -> float:
    """Return the leave-one-out accuracy at the penalty of least leave-one-out squared error.

    An image that is alone in its class cannot be told by the others and is not counted.

    Raises:
        UndefinedScoreError: If no class has two images.
    """
    return float(np.nanmean(leave_one_out_hits(statistics)))


class RidgeLoo(TransferabilityEstimator):
    """Leave-one-out accuracy of a ridge classifier from one decomposition, in [0, 1].

    References:
        Allen, The relationship between variable selection and data augmentation and a method
        for prediction, Technometrics 1974 (PRESS).
    """

    name = "ridge-loo"
    family = "probe"
    score = staticmethod(ridge_loo)
