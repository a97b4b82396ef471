"""RankMe: the effective rank of the features, without labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autotransfer.errors import UndefinedScoreError
from autotransfer.models.linear_algebra import EPSILON
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator

_OFFSET = 1e-7  # added to each share, as in the paper
_SMALLEST = float(np.finfo(np.float64).tiny)


def rankme(statistics: Statistics) -> float:
    """Return exp of the entropy of the normalised singular values, in [1, min(n, d)].

    Features are not centred; singular values that are zero to rounding are left out.

    Raises:
        UndefinedScoreError: If all features are zero.
    """
    values = statistics.uncentred_values
    if values[-1] <= 0:
        raise UndefinedScoreError("rankme is undefined: all features are zero")
    singular = np.sqrt(values[values > len(values) * EPSILON * values[-1]])
    return effective_rank(singular, _OFFSET)


def effective_rank(singular: NDArray[np.floating], offset: float) -> float:
    """Return exp of the entropy of the singular values, as shares with an offset."""
    shares = singular / max(float(singular.sum()), _SMALLEST) + offset
    return float(np.exp(-(shares * np.log(shares)).sum()))


class RankMe(TransferabilityEstimator):
    """Effective rank; uses no labels and hardly ranks different architectures.

    References:
        Garrido et al., RankMe: Assessing the Downstream Performance of Pretrained
        Self-Supervised Representations by Their Rank, ICML 2023, arXiv:2210.02885.
    """

    name = "rankme"
    score = staticmethod(rankme)
