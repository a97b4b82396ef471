"""LFC: the correlation of the feature kernel with the label kernel."""

from __future__ import annotations

import numpy as np

from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator


def lfc(statistics: Statistics) -> float:
    """Return <Kc, Yc> / (|Kc| |Yc|) of the centred linear kernels, in [0, 1]."""
    statistics.require_spread("lfc")
    n, counts = statistics.num_images, statistics.counts.astype(np.float64)
    aligned = float(np.square(statistics.moments.class_sums).sum())
    squares = float(np.square(counts).sum())
    # |Yc'Yc|^2 with Yc'Yc = diag(n_c) - n_c n_c' / n
    label_norm = squares - 2 * float((counts**3).sum()) / n + (squares / n) ** 2
    return aligned / (statistics.gram_norm * float(np.sqrt(label_norm)))


class Lfc(TransferabilityEstimator):
    """Label-feature correlation: centred kernel alignment with the labels; weak alone.

    References:
        Deshpande et al., A linearized framework and a new benchmark for model selection for
        fine-tuning, 2021, arXiv:2102.00084.
    """

    name = "lfc"
    family = "linear fit"
    score = staticmethod(lfc)
