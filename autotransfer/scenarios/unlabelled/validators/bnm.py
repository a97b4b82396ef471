"""Batch nuclear norm: large where predictions are certain and diverse."""

from __future__ import annotations

import numpy as np

from autotransfer.scenarios.unlabelled.validators.evidence import Evidence


def bnm(evidence: Evidence) -> float:
    """Return the nuclear norm of the (n, K) predictions over its largest value, in (0, 1].

    References:
        Cui et al., Towards Discriminability and Diversity: Batch Nuclear-norm Maximization under
        Label Insufficient Situations, CVPR 2020, arXiv:2003.12237.
    """
    n, num_classes = evidence.target.shape
    values = np.linalg.svd(evidence.target, compute_uv=False)
    return float(values.sum() / np.sqrt(n * min(n, num_classes)))
