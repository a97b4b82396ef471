"""CORAL on frozen features: source features recoloured with the target's mean and covariance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from autotransfer.plugin import SearchSpace, Task, TaskInfo, Trial, linear_algebra, parameters
from autotransfer_adaptation.source_probe import AlignedProbe

SHRINKAGE = 0.1  # towards a multiple of the identity


class FeatureCoral(AlignedProbe):
    """A head on source features with the target's mean and covariance; nothing is trained.

    References:
        Sun, Feng & Saenko, Return of Frustratingly Easy Domain Adaptation, AAAI 2016,
        arXiv:1511.05547, algorithm 1 (with shrinkage on both covariances, and the means moved).
    """

    name = "feature-coral"
    priority = 2

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return super().space(task) + SearchSpace.of(
            shrinkage=parameters.floating(0.01, 1.0, default=SHRINKAGE, log=True)
        )

    @override
    def aligned(self, task: Task, trial: Trial, stage: int) -> NDArray[np.floating]:
        target = task.features(task.needed_unlabelled(self.name), stage)
        return coral(task.features(task.train, stage), target, float(trial.params["shrinkage"]))


def coral(
    source: NDArray[np.floating], target: NDArray[np.floating], shrinkage: float
) -> NDArray[np.float64]:
    """Return (n, d) source features with the mean and the covariance of the target's.

    Args:
        source: (n, d).
        target: (m, d).
        shrinkage: Share in (0, 1] of the covariances that is a multiple of the identity.
    """
    x, y = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    with linear_algebra.single_thread():
        whiten = _power(_covariance(x, shrinkage), -0.5)
        colour = _power(_covariance(y, shrinkage), 0.5)
        moved: NDArray[np.float64] = (x - x.mean(axis=0)) @ whiten @ colour + y.mean(axis=0)
    return moved


def _covariance(x: NDArray[np.float64], shrinkage: float) -> NDArray[np.float64]:
    centred = x - x.mean(axis=0)
    covariance = centred.T @ centred / max(len(x) - 1, 1)
    scale = max(float(np.trace(covariance)) / len(covariance), 1e-12)
    shrunk: NDArray[np.float64] = (1 - shrinkage) * covariance
    shrunk[np.diag_indices_from(shrunk)] += shrinkage * scale
    return shrunk


def _power(matrix: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    powered: NDArray[np.float64] = (vectors * np.maximum(values, 1e-12) ** exponent) @ vectors.T
    return powered
