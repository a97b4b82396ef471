"""Probes on the last stage of every source, put together: their mean, or a mixture.

The probes are ridge regressions that choose penalty and temperature by closed-form leave-one-out,
so that the whole fit costs two decompositions for each source. Of texts their weights alone come
from there, and a logistic regression answers: on embeddings of sentences it is one to three points
better at any number of labels (`docs/text.md`). On few labels several sources together beat the
best single one; `docs/benchmarks/probes.md` has the figures.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
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
    sources,
)
from autotransfer_fusion.predictor import FusedProbe, FusionPredictor, Joint, restore_fusion

PRIOR = 20.0  # items that all sources together are taken to have explained in advance
JOINT_SHARE = 0.2  # of them, by the probe that reads all sources side by side
NEGLIGIBLE = 0.01  # a companion with a smaller weight is not worth its forward pass
MOST_JOINED = 2000  # items: the joint probe decomposes a matrix of as many rows
_COPIED = 1e-9  # relative difference of two heads below which their sources are the same


@dataclass(frozen=True)
class Probe:
    """A probe of one source.

    Args:
        source: What it reads.
        predictor: The head on its last stage that answers.
        fit: The ridge head with its leave-one-out probabilities.
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
            head = _logistic(x, centre, task) if _of_texts(task) else fit.head
        centres = () if centre is None else (centre,)
        return cls(source, heads.HeadPredictor(head, stage, centres=centres), fit)

    def rows(self, x: NDArray[np.floating]) -> tuple[NDArray[np.float64], heads.Standardisation]:
        """Return (n, d) features as the probe reads them, of length about one; and their scale.

        Those that are standardised are divided by the root of d as well.
        """
        if self.predictor.centres:
            unit = heads.unit_rows(x - self.predictor.centres[0])
            return unit, heads.Standardisation.identity(x.shape[1])
        scale = heads.Standardisation.of(x)
        scale = replace(scale, std=scale.std * np.sqrt(x.shape[1]))
        return scale.apply(x), scale


class _Fusion(Strategy):
    """Probes of the own source and, where they are needed, of every companion, each weighed."""

    needs = frozenset({Need.TARGET_LABELS, Need.COMPANIONS})
    trains = False
    obvious = True

    @abstractmethod
    def fused(self, probes: Sequence[Probe], task: Task) -> FusionPredictor:
        """Return the probes with their weights, which sum to one."""

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of()

    @override
    def fit(self, task: Task, trial: Trial) -> FusionPredictor:
        probes = [Probe.of(task.source, task.features, task)]
        others = task.companions if Need.COMPANIONS in self.needs else ()
        probes += [Probe.of(s, task.features.of(s), task) for s in others]
        return self.fused(_different(probes), task)

    @override
    def restore(
        self, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
    ) -> FusionPredictor:
        return restore_fusion(tensors, info, source)


class MeanOfProbes(_Fusion):
    """The plain mean of the probabilities of a ridge probe on every source."""

    name = "mean-of-probes"
    priority = 20

    @override
    def fused(self, probes: Sequence[Probe], task: Task) -> FusionPredictor:
        return FusionPredictor(_weighted(probes, [1 / len(probes)] * len(probes)))


class DefaultProbe(MeanOfProbes):
    """A ridge probe on the default source alone: the model to beat."""

    name = "default-probe"
    priority = 30
    needs = frozenset({Need.TARGET_LABELS})


class MixtureOfProbes(_Fusion):
    """A mixture of a ridge probe on every source, and of one on all of them side by side.

    The weights maximise the likelihood of the classes by leave-one-out beside a Dirichlet prior,
    which holds them near equal ones as long as there are few labels. They are found first without
    the joint probe, which then reads the features of each source by the share of its weight, and
    again with it. Of more than 2000 items, and of texts, there is no joint probe.
    """

    name = "mixture-of-probes"
    priority = 10

    @override
    def fused(self, probes: Sequence[Probe], task: Task) -> FusionPredictor:
        labels = task.train.labels
        likely = np.stack([probe.fit.likely(labels) for probe in probes])  # (S, m)
        weights = heads.mixture_weights(likely, prior=PRIOR / len(probes))
        shares = _without_negligible(weights)
        if len(probes) < 2 or len(labels) > MOST_JOINED or _of_texts(task):
            return FusionPredictor(_weighted(probes, shares))
        parts, fit = _joint([(p, w) for p, w in zip(probes, shares, strict=True) if w], task)
        own = np.full(len(probes), (1 - JOINT_SHARE) / len(probes))
        weights = heads.mixture_weights(
            np.vstack([likely, fit.likely(labels)]), prior=PRIOR * np.append(own, JOINT_SHARE)
        )
        *alone, together = _without_negligible(weights)
        joint = Joint(parts, float(together)) if together else Joint()
        return FusionPredictor(_weighted(probes, alone), joint)


def _of_texts(task: Task) -> bool:
    return task.train.modality is sources.Modality.TEXT


def _logistic(
    x: NDArray[np.floating], centre: NDArray[np.float64] | None, task: Task
) -> heads.LinearHead:
    """Return a logistic head on (n, d) features as the ridge probe reads them."""
    rows = x if centre is None else heads.unit_rows(x - centre)
    return heads.fit_logistic(rows, task.train.labels, len(task.class_names))


def _joint(
    weighted: Sequence[tuple[Probe, float]], task: Task
) -> tuple[tuple[FusedProbe, ...], heads.JointRidge]:
    """Return a probe on the features of several sources, each with a share of the squared rows."""
    blocks, scales = [], []
    for probe, weight in weighted:
        reader = task.features if probe.source == task.source else task.features.of(probe.source)
        rows, scale = probe.rows(reader(task.train, probe.predictor.stage))
        blocks.append(rows * np.sqrt(weight))
        scales.append(scale)
    with linear_algebra.single_thread():
        fit = heads.fit_joint_ridge(blocks, task.train.labels, len(task.class_names))
    parts = []
    for (probe, weight), head, scale in zip(weighted, fit.heads, scales, strict=True):
        own = scale.fold_into(heads.LinearHead(head.weight * np.sqrt(weight), head.bias))
        predictor = replace(probe.predictor, head=own)
        parts.append(FusedProbe(probe.source, predictor, weight))
    return tuple(parts), fit


def _different(probes: Sequence[Probe]) -> list[Probe]:
    """Return the probes without copies: a source under two names must not count twice."""
    kept: list[Probe] = []
    for probe in probes:
        if not any(_same(probe, other) for other in kept):
            kept.append(probe)
    return kept


def _same(one: Probe, other: Probe) -> bool:
    ours, theirs = one.fit.head.weight, other.fit.head.weight
    return ours.shape == theirs.shape and np.allclose(ours, theirs, rtol=_COPIED, atol=0)


def _weighted(probes: Sequence[Probe], weights: Iterable[float]) -> tuple[FusedProbe, ...]:
    """Return the first probe and all others with a weight."""
    return tuple(
        FusedProbe(probe.source, probe.predictor, float(weight))
        for place, (probe, weight) in enumerate(zip(probes, weights, strict=True))
        if weight or not place
    )


def _without_negligible(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights, negligible ones but the first zero, their sum again one."""
    kept = np.where(weights >= NEGLIGIBLE, weights, 0.0)
    kept[0] = weights[0]
    kept /= kept.sum()
    return kept
