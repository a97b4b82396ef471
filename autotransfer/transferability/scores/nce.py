"""NCE: the negative conditional entropy of the labels given the source's decisions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from typing_extensions import override

from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.plugin.need import Need


def nce(source_labels: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Return -H(Y | Z) in nats, in [-log K, 0].

    Args:
        source_labels: (n,) source class of each image in [0, Z).
        labels: (n,) target class of each image in [0, K).
    """
    num_source, num_target = int(source_labels.max()) + 1, int(labels.max()) + 1
    pairs, counts = np.unique(source_labels * num_target + labels, return_counts=True)
    marginal = np.bincount(source_labels, minlength=num_source)[pairs // num_target]
    return float(xlogy(counts, counts / marginal).sum() / len(labels))


class Nce(TransferabilityEstimator):
    """Negative conditional entropy; optimistic where Z is much larger than n.

    References:
        Tran, Nguyen and Hassner, Transferability and Hardness of Supervised Classification
        Tasks, ICCV 2019, arXiv:1908.08142; no smoothing of the counts.
    """

    name = "nce"
    family = "source head"
    needs = frozenset({Need.SOURCE_HEAD})

    @override
    def score(self, statistics: Statistics) -> float:
        probabilities = statistics.require_probabilities(self.name)
        return nce(probabilities.argmax(axis=1).astype(np.int64), statistics.labels)
