"""The obvious where classes have no images: ESZSL as it comes, on one source or on all.

Penalties that held-out classes choose are no better than the middle ones: a dozen classes say too
little. The mean over sources is, as is that of probes; `docs/zero-shot.md` has the figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from autotransfer.plugin import (
    FeatureReader,
    ImageSet,
    Json,
    Layers,
    Need,
    PredictorState,
    ScenarioKind,
    SearchSpace,
    Share,
    Source,
    Strategy,
    Task,
    TaskInfo,
    Trial,
    errors,
    networks,
    sources,
    zero_shot,
)
from autotransfer_attribute_zero_shot.middle import MiddleTask, middle_eszsl
from autotransfer_attribute_zero_shot.predictor import TowersPredictor, restore_towers
from autotransfer_attribute_zero_shot.several_sources import MeanEvidence

ESZSL = "eszsl"


@dataclass(frozen=True)
class MeanPredictor(zero_shot.AttributePredictor):
    """The plain mean of the scores of one head on each of several sources.

    Args:
        members: Sources and their heads, the own source first.
    """

    members: tuple[tuple[Source, TowersPredictor], ...]

    @property
    @override
    def rows(self) -> NDArray[np.float64]:
        return self.members[0][1].rows

    @override
    def scores(
        self, images: ImageSet, features: FeatureReader, rows: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return _mean([head.scores(images, read, rows) for head, read in self._heads(features)])

    @override
    def contributions(
        self, images: ImageSet, features: FeatureReader, rows: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return _mean(
            [head.contributions(images, read, rows) for head, read in self._heads(features)]
        )

    @override
    def attributes(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        return _mean([head.attributes(images, read) for head, read in self._heads(features)])

    def _heads(self, features: FeatureReader) -> list[tuple[TowersPredictor, FeatureReader]]:
        (_, own), *others = self.members
        return [(own, features), *((head, features.of(source)) for source, head in others)]

    @override
    def state(self) -> PredictorState:
        tensors: dict[str, Tensor] = {}
        infos: list[Json] = []
        for number, (_, member) in enumerate(self.members):
            found, info = member.state()  # the table is that of all members
            tensors |= {f"{number}.{name}": tensor.clone() for name, tensor in found.items()}
            infos.append(info)
        beside = [sources.to_json(source) for source in self.companions]
        return tensors, {"members": infos, "companions": beside}

    @property
    @override
    def layers(self) -> Layers:
        return self.members[0][1].layers

    @property
    @override
    def companions(self) -> tuple[Source, ...]:
        return tuple(source for source, _ in self.members[1:])

    @property
    @override
    def composition(self) -> tuple[Share, ...]:
        weight = 1 / len(self.members)
        return tuple(
            Share(source.name, ESZSL, member.layers, weight) for source, member in self.members
        )


class MeanOfEszsl(Strategy):
    """The plain mean of ESZSL on the last stage of every source, at the middle penalties."""

    name = "mean-of-eszsl"
    priority = 20
    needs = frozenset({Need.ATTRIBUTES, Need.COMPANIONS})
    scenarios = frozenset({ScenarioKind.ZERO_SHOT})
    trains = False
    obvious = True

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of()

    @override
    def fit(self, task: Task, trial: Trial) -> MeanPredictor:
        members = tuple(
            (source, middle_eszsl(prepared, stage))
            for source, stage, prepared in self._prepared(task)
        )
        return _sharpened(MeanPredictor(members), task)

    def left_out(
        self,
        task: Task,
        trial: Trial,  # noqa: ARG002 - for strategies with parameters
    ) -> zero_shot.ClosedForm:
        """Return fits without some classes, from the mean of what all sources see."""
        tasks = [prepared for _, _, prepared in self._prepared(task)]
        first = tasks[0]
        evidence = MeanEvidence(
            [prepared.problem for prepared in tasks], [prepared.gamma for prepared in tasks]
        )
        left_out = zero_shot.LeftOut(evidence, first.labels, first.seen, (1.0,), (first.lam,))
        every = first.rows.apply(first.table.values)
        return zero_shot.ClosedForm(
            lambda group: left_out.scores(group, every),
            0,
            lambda pairs, drawn: left_out.exchanged(pairs, drawn, every),
        )

    def _prepared(self, task: Task) -> list[tuple[Source, int, MiddleTask]]:
        """Return each source, its last stage, and the task as it sees it."""
        table = task.attributes
        if table is None:
            raise errors.InvalidTargetError(f"{self.name} needs attributes of the classes")
        readers = [task.features, *(task.features.of(source) for source in task.companions)]
        return [
            (
                source,
                reader.num_stages,
                MiddleTask.of(reader(task.train, reader.num_stages), task.train.labels, table),
            )
            for source, reader in zip((task.source, *task.companions), readers, strict=True)
        ]

    @override
    def restore(
        self, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
    ) -> MeanPredictor:
        origins = [source, *(sources.from_json(stored) for stored in info["companions"])]
        return MeanPredictor(
            tuple(
                (read, restore_towers(networks.tensors_under(tensors, f"{number}."), inner))
                for number, (read, inner) in enumerate(zip(origins, info["members"], strict=True))
            )
        )


def _mean(parts: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.mean(parts, axis=0)
    return found


def _sharpened(predictor: MeanPredictor, task: Task) -> MeanPredictor:
    """Return it with scores whose spread over images and seen classes is one."""
    assert task.attributes is not None
    seen = predictor.rows[: task.attributes.num_seen]
    spread = max(float(predictor.scores(task.train, task.features, seen).std()), 1e-12)
    return MeanPredictor(
        tuple(
            (source, replace(member, towers=replace(member.towers, sharpness=1 / spread)))
            for source, member in predictor.members
        )
    )
