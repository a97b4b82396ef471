"""Circular validation: from the source to the target and back again."""

from __future__ import annotations

import numpy as np

from autotransfer.errors import UndefinedScoreError
from autotransfer.models.heads import fit_ridge
from autotransfer.models.single_thread import single_thread
from autotransfer.scenarios.unlabelled.validators.evidence import Evidence


def circular(evidence: Evidence) -> float:
    """Return how well target pseudo-labels teach the source classes, in [0, 1].

    A ridge classifier learns the predicted classes of the target images on their features; the
    value is its accuracy on held-out source images.

    Raises:
        UndefinedScoreError: If one class is predicted for every image.

    References:
        Bruzzone & Marconcini, Domain Adaptation Problems: A DASVM Classification Technique and a
        Circular Validation Strategy, TPAMI 32(5), 2010.
    """
    answers = evidence.answers
    if len(np.unique(answers)) < 2:
        raise UndefinedScoreError("circular validation needs two predicted classes")
    with single_thread():
        head = fit_ridge(evidence.target_features, answers, evidence.num_classes)
    back = head.logits(evidence.source_features).argmax(axis=1)
    return float((back == evidence.source_labels).mean())
