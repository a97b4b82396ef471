"""Diversity of the predictions: a collapsed predictor looks certain, and is refused here."""

from __future__ import annotations

import numpy as np

from autotransfer.scenarios.unlabelled.validators.evidence import Evidence, entropy_of

LEAST = 0.7  # of log K; skewed targets stay above it, collapsed predictors do not
ENOUGH = 20  # images for each class, from which on a class that is never predicted is a fault


def diversity(evidence: Evidence) -> float:
    """Return the entropy of the mean prediction over log K, in [0, 1]."""
    return float(entropy_of(evidence.target.mean(axis=0)) / np.log(evidence.num_classes))


def reason_against(evidence: Evidence) -> str:
    """Return why the predictions are too uniform to be believed; empty where they are not."""
    found = diversity(evidence)
    if found < LEAST:
        return f"its predictions collapse: diversity {found:.2f} of at least {LEAST}"
    counts = np.bincount(evidence.answers, minlength=evidence.num_classes)
    if len(evidence.target) >= ENOUGH * evidence.num_classes and not counts.all():
        return f"it never predicts {int((counts == 0).sum())} of {evidence.num_classes} classes"
    return ""
