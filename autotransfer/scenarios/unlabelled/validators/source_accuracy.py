"""Accuracy on held-out source images: blind to the target, but a gate."""

from __future__ import annotations

import math

from autotransfer.scenarios.unlabelled.validators.evidence import Evidence

MOST_LOST = 0.02  # against source-only: a method that forgets the source has nothing to transfer


def source_accuracy(evidence: Evidence) -> float:
    """Return the share of held-out source images that are right, in [0, 1]."""
    return float((evidence.source.argmax(axis=1) == evidence.source_labels).mean())


def keeps_source(accuracy: float, of_source_only: float, num_images: int) -> bool:
    """Return whether a predictor is as good on the source as source-only.

    It may lose two points, and one standard error of an accuracy on so many images.
    """
    error = math.sqrt(of_source_only * (1 - of_source_only) / num_images)
    return accuracy >= of_source_only - MOST_LOST - error
