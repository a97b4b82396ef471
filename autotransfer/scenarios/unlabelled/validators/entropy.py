"""Certainty: minus the mean entropy of the predictions."""

from __future__ import annotations

from autotransfer.scenarios.unlabelled.validators.evidence import Evidence, entropy_of


def negative_entropy(evidence: Evidence) -> float:
    """Return minus the mean prediction entropy in nats; rewards a confident collapse."""
    return -float(entropy_of(evidence.target).mean())
