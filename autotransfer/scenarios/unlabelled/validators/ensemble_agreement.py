"""Agreement with the plurality of all candidates that passed the gates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def plurality(
    answers: NDArray[np.int64], num_classes: int, weights: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the (n,) class that most candidates give to each image; ties to the lower class.

    Args:
        answers: (T, n) classes that T candidates predict.
        num_classes: K.
        weights: (T,) votes of each candidate.
    """
    votes = np.zeros((answers.shape[1], num_classes))
    for row, weight in zip(answers, weights, strict=True):
        votes[np.arange(len(row)), row] += weight
    winners: NDArray[np.int64] = votes.argmax(axis=1).astype(np.int64)
    return winners


def ensemble_agreement(answers: NDArray[np.int64], vote: NDArray[np.int64]) -> float:
    """Return the share of the (n,) images on which a candidate gives the plurality's class."""
    return float((answers == vote).mean())
