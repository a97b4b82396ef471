"""Soft neighbourhood density; logged only, it is largest for a collapsed predictor."""

from __future__ import annotations

import numpy as np

from autotransfer.scenarios.unlabelled.validators.evidence import SMALLEST, Evidence, entropy_of

TEMPERATURE = 0.05
_MOST = 1000  # images; the matrix of similarities is n x n


def snd(evidence: Evidence) -> float:
    """Return the mean entropy of the similarities to the other images, in nats.

    References:
        Saito et al., Tune it the Right Way: Unsupervised Validation of Domain Adaptation via Soft
        Neighborhood Density, ICCV 2021, arXiv:2108.10860, equations 1 to 3.
    """
    rows = evidence.target[:_MOST]
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), SMALLEST)
    similarities = rows @ rows.T / TEMPERATURE
    np.fill_diagonal(similarities, -np.inf)
    similarities -= similarities.max(axis=1, keepdims=True)
    shares = np.exp(similarities)
    return float(entropy_of(shares / shares.sum(axis=1, keepdims=True)).mean())
