"""Accuracy on held-out source pictures: blind to the target, but a gate."""

from __future__ import annotations

from autotransfer.validators.evidence import Evidence

MOST_LOST = 0.02  # against source-only: a method that forgets the source has nothing to transfer


def source_accuracy(evidence: Evidence) -> float:
    """Return the share of held-out source pictures that are right, in [0, 1]."""
    return float((evidence.source.argmax(axis=1) == evidence.source_labels).mean())


def keeps_source(accuracy: float, of_source_only: float) -> bool:
    """Return whether a predictor is as good on the source as source-only, up to 2 points."""
    return accuracy >= of_source_only - MOST_LOST
