"""MixVal: blends of two target images as labelled probes of the decision boundary."""

from __future__ import annotations

import numpy as np

from autotransfer.errors import UndefinedScoreError
from autotransfer.scenarios.unlabelled.validators.evidence import Evidence

SHARE = 0.55  # of the first image in a blend, as in the paper


def mixval(evidence: Evidence) -> float:
    """Return the accuracy on blends, the mean of blends within and between classes, in [0, 1].

    The right answer for a blend is the class that is predicted for its larger part.

    Raises:
        UndefinedScoreError: If there are no blends.

    References:
        Hu et al., Mixed Samples as Probes for Unsupervised Model Selection in Domain Adaptation,
        NeurIPS 2023.
    """
    if evidence.mixed is None or not len(evidence.mixed.first):
        raise UndefinedScoreError("MixVal needs blends of target images; there are none")
    answers, mixed = evidence.answers, evidence.mixed
    first, second = answers[mixed.first], answers[mixed.second]
    right = mixed.probabilities.argmax(axis=1) == first
    parts = [right[same].mean() for same in (first == second, first != second) if same.any()]
    return float(np.mean(parts))
