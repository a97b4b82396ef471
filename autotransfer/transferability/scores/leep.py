"""LEEP: the log-likelihood of the labels through the source's own classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.plugin.need import Need


def leep(probabilities: NDArray[np.floating], by_class: list[NDArray[np.int64]]) -> float:
    """Return the mean log-likelihood of the labels in nats, at most 0.

    Args:
        probabilities: (n, Z) source-class (or mixture-component) probabilities.
        by_class: The positions of the images of each target class.
    """
    n = len(probabilities)
    joint = np.stack(
        [probabilities[own].sum(axis=0, dtype=np.float64) for own in by_class]
    )  # (K, Z)
    mass = joint.sum(axis=0)  # a source class without any predicts nothing instead of 0 / 0
    conditional = np.divide(joint, mass, out=np.zeros_like(joint), where=mass > 0)
    total = 0.0
    for own, given_source in zip(by_class, conditional, strict=True):
        total += float(np.log(probabilities[own] @ given_source).sum())
    return total / n


class Leep(TransferabilityEstimator):
    """Mean log-likelihood in nats; needs a source head; comparable on one target only.

    References:
        Nguyen et al., LEEP: A New Measure to Evaluate Transferability of Learned
        Representations, ICML 2020, arXiv:2002.12462.
    """

    name = "leep"
    family = "source head"
    needs = frozenset({Need.SOURCE_HEAD})

    @override
    def score(self, statistics: Statistics) -> float:
        probabilities = statistics.require_probabilities(self.name)
        return leep(probabilities, statistics.positions_by_class())
