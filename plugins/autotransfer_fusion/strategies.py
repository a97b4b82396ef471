"""Ridge probes on the last stage of every source, put together: their mean, or a mixture.

The probes choose penalty and temperature by closed-form leave-one-out, so that the whole fit
costs two decompositions for each source. On few labels several sources together beat the best
single one; `docs/benchmarks.md` has the figures.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from autotransfer.plugin import (
    FeatureReader,
    Json,
    Need,
    SearchSpace,
    Source,
    Strategy,
    Task,
    TaskInfo,
    Trial,
    heads,
    linear_algebra,
)
from autotransfer_fusion.predictor import FusedProbe, FusionPredictor, restore_fusion

PRIOR = 20.0  # items that all sources together are taken to have explained in advance
NEGLIGIBLE = 0.01  # a companion with a smaller weight is not worth its forward pass


@dataclass(frozen=True)
class Probe:
    """A probe of one source.

    Args:
        source: What it reads.
        predictor: The head on its last stage.
        fit: The head with its leave-one-out probabilities.
    """

    source: Source
    predictor: heads.HeadPredictor
    fit: heads.HeldOutRidge

    @classmethod
    def of(cls, source: Source, reader: FeatureReader, task: Task) -> Probe:
        """Return the probe of the last stage of a source."""
        stage = reader.num_stages
        x = reader(task.train, stage)
        with linear_algebra.single_thread():  # threads cost more than they give here
            fit, centre = heads.fit_unit_ridge(x, task.train.labels, len(task.class_names))
        centres = () if centre is None else (centre,)
        return cls(source, heads.HeadPredictor(fit.head, stage, centres=centres), fit)


class _Fusion(Strategy):
    """Probes of the own source and of every companion, with a weight for each."""

    needs = frozenset({Need.TARGET_LABELS, Need.COMPANIONS})
    trains = False
    obvious = True

    @abstractmethod
    def weights(self, probes: Sequence[Probe], labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the (S,) weights of the probes, which sum to one."""

    def companions(self, task: Task) -> tuple[Source, ...]:
        """Return the further sources that get a probe."""
        return task.companions

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of()

    @override
    def fit(self, task: Task, trial: Trial) -> FusionPredictor:
        probes = [Probe.of(task.source, task.features, task)]
        probes += [Probe.of(s, task.features.of(s), task) for s in self.companions(task)]
        weights = self.weights(probes, task.train.labels)
        fused = [
            FusedProbe(probe.source, probe.predictor, float(weight))
            for probe, weight in zip(probes, weights, strict=True)
        ]
        return FusionPredictor(_worthwhile(fused))

    @override
    def restore(
        self, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
    ) -> FusionPredictor:
        return restore_fusion(tensors, info, source)


class DefaultProbe(_Fusion):
    """A ridge probe on the default source alone: the model to beat."""

    name = "default-probe"
    priority = 30
    needs = frozenset({Need.TARGET_LABELS})

    @override
    def companions(self, task: Task) -> tuple[Source, ...]:
        return ()

    @override
    def weights(self, probes: Sequence[Probe], labels: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.ones(1)


class MeanOfProbes(_Fusion):
    """The plain mean of the probabilities of a ridge probe on every source."""

    name = "mean-of-probes"
    priority = 20

    @override
    def weights(self, probes: Sequence[Probe], labels: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.full(len(probes), 1 / len(probes))


class MixtureOfProbes(_Fusion):
    """A mixture of ridge probes on every source, weighted by their leave-one-out probabilities.

    The weights maximise the likelihood of the classes beside a symmetric Dirichlet prior, which
    holds them near equal ones as long as there are few labels.
    """

    name = "mixture-of-probes"
    priority = 10

    @override
    def weights(self, probes: Sequence[Probe], labels: NDArray[np.int64]) -> NDArray[np.float64]:
        likely = np.stack([probe.fit.likely(labels) for probe in probes])  # (S, m)
        return heads.mixture_weights(likely, prior=PRIOR / len(probes))


def _worthwhile(probes: Sequence[FusedProbe]) -> tuple[FusedProbe, ...]:
    """Return the own probe and the others with a weight, their sum again one."""
    own, *others = probes
    chosen = [own, *(probe for probe in others if probe.weight >= NEGLIGIBLE)]
    total = sum(probe.weight for probe in chosen)
    return tuple(replace(probe, weight=probe.weight / total) for probe in chosen)
