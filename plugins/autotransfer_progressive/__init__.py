"""Progressive network: a new column beside frozen ones, fed by lateral adapters.

The source is never changed and never copied: a column of the same architecture learns from
scratch on small images, and at some of its stages it may read what the frozen columns say there.
Two things keep a bad source harmless: what is read is normalised first, so that its scale cannot
do damage, and the adapters put out zero at the start, so that the first step is that of the
network from scratch, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.plugin import (
    Backbone,
    FeatureReader,
    ImageSet,
    Json,
    Need,
    Predictor,
    SearchSpace,
    Source,
    Strategy,
    Task,
    TaskInfo,
    Trial,
    errors,
    hookimpl,
    networks,
    parameters,
    sources,
    training,
)
from autotransfer_progressive.network import Tap
from autotransfer_progressive.predictor import (
    Batches,
    Plan,
    ProgressivePredictor,
    restore_progressive,
)

LARGEST_SIDE = 96  # pixels of the new column: from scratch, few images do not fill more
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 1e-2


class Progressive(Strategy):
    """Train a new column from scratch, with laterals from frozen columns.

    `columns` = 0 is the network from scratch. The adapters learn at a tenth of the column's rate
    by default: at the full rate, a source that misleads cost 1.7 points on digits.

    References:
        Rusu et al., Progressive Neural Networks, arXiv:1606.04671. Normalised laterals, the zero
        start and the slower adapters are ours.
    """

    name = "progressive"
    needs = frozenset({Need.TARGET_LABELS})
    least_per_class = 5

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of(
            learning_rate_multiplier=parameters.learning_rate_multiplier(),
            regularisation=parameters.regularisation(),
            epochs=parameters.integer(5, 60, default=20, log=True),
            columns=parameters.integer(0, 3, default=1),
            laterals=parameters.integer(1, 4, default=2).only_where(columns=()),
            lateral_width=parameters.choice((0.25, 0.5), default=0.5).only_where(columns=()),
            adapter_rate=parameters.choice((0.1, 0.3, 1.0), default=0.1).only_where(columns=()),
            augmentation=parameters.choice(("none", "flip"), default="none"),
        )

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        params, adapter_rate = trial.params, float(trial.params["adapter_rate"])
        columns = (task.source, *task.companions)[: int(params["columns"])]
        plan = make_plan(
            task,
            columns,
            trial.seed,
            num_laterals=int(params["laterals"]),
            lateral_width=float(params["lateral_width"]),
        )
        network = plan.network(trial.seed).to(task.device)
        batches = Batches(plan, task.features, task.train, flips=params["augmentation"] == "flip")

        def objective(step: training.Step) -> Tensor:
            logits = step.network(step.inputs, batches.laterals(step.positions))
            return nn.functional.cross_entropy(logits, step.targets)

        training.train(
            network,
            batches,
            task.train.labels,
            training.Schedule(
                epochs=int(params["epochs"]),
                learning_rate=LEARNING_RATE * float(params["learning_rate_multiplier"]),
                weight_decay=WEIGHT_DECAY * float(params["regularisation"]),
            ),
            seed=trial.seed,
            limits=training.Limits(trial.deadline),
            on_rung=lambda p: trial.report(p, ProgressivePredictor.of(network, plan)),
            objective=objective,
            rate_of=lambda name: adapter_rate if name.startswith("adapters.") else 1.0,
        )
        return ProgressivePredictor.of(network, plan)

    @override
    def restore(
        self, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
    ) -> Predictor:
        return restore_progressive(tensors, info, source)


def make_plan(
    task: Task, columns: Sequence[Source], seed: int, *, num_laterals: int, lateral_width: float
) -> Plan:
    """Return the new column and which stages of the frozen ones it reads: the last few."""
    twin = _twin(task.source, seed)
    column = networks.load_backbone(twin)
    stages = [i for i in range(1, column.num_stages + 1) if _is_module(column, i)][-num_laterals:]
    taps = []
    for number, source in enumerate(columns):
        reader = task.features.of(source)
        for into in stages:
            stage, width = _nearest_stage(reader, task.train, into / column.num_stages)
            taps.append(Tap(number, stage, width, into))
    return Plan(twin, tuple(columns), tuple(taps), lateral_width, len(task.class_names))


def _twin(source: Source, seed: int) -> Source:
    """Return the new column, on small images where the architecture takes them."""
    plain = replace(
        source, name=f"{source.name} new column", weights=sources.Untrained(seed), class_names=None
    )
    side = min(source.preprocessing.input_size, LARGEST_SIDE)
    small = replace(plain, preprocessing=replace(source.preprocessing, input_size=side))
    try:
        networks.load_backbone(small)
    except Exception:  # noqa: BLE001 - a vision transformer refuses another size in its own words
        return plain
    return small


def _is_module(column: Backbone, stage: int) -> bool:
    """Return whether a stage is a module, to whose output something can be added."""
    return column.stages[stage - 1].module in dict(column.network.named_modules())


def _nearest_stage(reader: FeatureReader, images: ImageSet, share: float) -> tuple[int, int]:
    """Return the stage of a frozen column at a share of its depth, and its number of channels.

    Pooled features have no raw output: the stage below them is read.
    """
    for stage in range(max(1, round(share * reader.num_stages)), 0, -1):
        try:
            reader.inputs(images, stage).batch(np.array([0]))
        except errors.CutError:
            continue
        return stage, reader(images.subset([0]), stage).shape[1]
    raise errors.CutError("a frozen column", 1, "it has no stage whose output can be read")


@hookimpl
def autotransfer_strategies() -> list[Strategy]:
    """Offer the strategy."""
    return [Progressive()]
