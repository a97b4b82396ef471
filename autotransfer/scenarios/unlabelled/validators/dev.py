"""Deep embedded validation: IWCV with a control variate; logged only."""

from __future__ import annotations

import numpy as np

from autotransfer.scenarios.unlabelled.validators.evidence import Evidence
from autotransfer.scenarios.unlabelled.validators.importance import importance


def dev(evidence: Evidence) -> float:
    """Return minus the variance-reduced weighted 0/1 loss on held-out source images.

    References:
        You et al., Towards Accurate Model Selection in Deep Unsupervised Domain Adaptation,
        ICML 2019, equation 8.
    """
    weights = importance(evidence)
    wrong = (evidence.source.argmax(axis=1) != evidence.source_labels).astype(float)
    losses = weights * wrong
    variance = float(np.var(weights, ddof=1)) if len(weights) > 1 else 0.0
    covariance = float(np.cov(losses, weights)[0, 1]) if variance > 0 else 0.0
    eta = -covariance / variance if variance > 0 else 0.0
    return -float(losses.mean() + eta * weights.mean() - eta)
