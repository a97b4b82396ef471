"""RankMe of the target features; logged only, it says nothing of the classifier."""

from __future__ import annotations

import numpy as np

from autotransfer.scenarios.unlabelled.validators.evidence import SMALLEST, Evidence
from autotransfer.transferability.scores.rankme import effective_rank


def rank_me(evidence: Evidence) -> float:
    """Return exp of the entropy of the singular values of the (n, d) target features.

    References:
        Garrido et al., RankMe, ICML 2023, arXiv:2210.02885, equation 1.
    """
    return effective_rank(np.linalg.svd(evidence.target_features, compute_uv=False), SMALLEST)
