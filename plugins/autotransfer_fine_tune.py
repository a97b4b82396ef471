"""Fine-tune depth: the first stages stay frozen, the rest learns at a small rate.

The output of the frozen stages is computed once for each picture (and once for its mirror
image), so a step costs only the part that learns. By default the head starts from the ridge
probe on the same features: linear probing, then fine-tuning, keeps the first steps from
distorting the features (Kumar et al., ICLR 2022).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from autotransfer import hookimpl
from autotransfer.backbone import Backbone
from autotransfer.errors import CutError
from autotransfer.heads import LinearHead, fit_ridge
from autotransfer.predictors import HeadedSuffix, NetworkPredictor, restore_network
from autotransfer.problem import Json, Need, ParamValue, Source
from autotransfer.space import (
    SearchSpace,
    choice,
    depth,
    integer,
    learning_rate_multiplier,
    regularisation,
)
from autotransfer.strategy import Layers, Predictor, StageInputs, Strategy, Task, TaskInfo, Trial
from autotransfer.training import Limits, Schedule, train

LEARNING_RATE = 3e-4  # AdamW, of the tuned layers
WEIGHT_DECAY = 1e-2
FRESH_HEAD_MULTIPLIER = 10.0  # a head from scratch has further to go than one from the probe
SMALL_BATCHES = 200  # with fewer pictures batch statistics are noise: keep the source's


class FineTune(Strategy):
    """Copy every stage, freeze the first, tune the rest with AdamW."""

    name = "fine-tune"
    needs = frozenset({Need.TARGET_LABELS})

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of(
            depth=depth(default=0.7),
            learning_rate_multiplier=learning_rate_multiplier(),
            regularisation=regularisation(),
            epochs=integer(3, 30, default=8, log=True),
            augmentation=choice(("none", "flip"), default="none"),
            warm_start=choice(("probe", "none"), default="probe"),
        )

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        params, backbone = trial.params, task.backbone()
        frozen, suffix = _cut(backbone, float(params["depth"]))
        network = HeadedSuffix(
            suffix, backbone.num_features, len(task.class_names), seed=trial.seed
        )
        warm = params["warm_start"] == "probe"
        if warm:
            network.set_head(_probe(task))
        network.to(task.device)
        layers = Layers(
            stage=backbone.num_stages,
            copied=backbone.num_stages,
            tuned=backbone.num_stages - frozen,
        )

        def snapshot() -> Predictor:
            return NetworkPredictor.of(network, task.source, frozen=frozen, layers=layers)

        train(
            network,
            _Batches(task, frozen, mirror=params["augmentation"] == "flip"),
            task.train.labels,
            _schedule(params, warm=warm, num_images=len(task.train)),
            seed=trial.seed,
            limits=Limits(trial.deadline),
            head=list(network.head.parameters()),
            on_rung=lambda progress: trial.report(progress, snapshot()),
        )
        return snapshot()

    @override
    def restore(
        self, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
    ) -> Predictor:
        return restore_network(tensors, info, source)


class _Batches:
    """The inputs of the first tuned layer; each picture or its mirror image."""

    def __init__(self, task: Task, frozen: int, *, mirror: bool) -> None:
        self._plain: StageInputs = task.features.inputs(task.train, frozen)
        self._mirrored: StageInputs | None = None
        if mirror:
            self._mirrored = task.features.inputs(task.train, frozen, mirrored=True)

    def __call__(self, positions: NDArray[np.int64], generator: np.random.Generator) -> Tensor:
        if self._mirrored is None:
            return self._plain.batch(positions)
        flipped = generator.random(len(positions)) < 0.5
        order = np.argsort(np.concatenate([np.flatnonzero(~flipped), np.flatnonzero(flipped)]))
        parts = [
            inputs.batch(positions[chosen])
            for inputs, chosen in ((self._plain, ~flipped), (self._mirrored, flipped))
            if chosen.any()
        ]
        return torch.cat(parts)[torch.from_numpy(order)]


def _cut(backbone: Backbone, depth: float) -> tuple[int, nn.Module]:
    """Return the number of frozen stages and the layers after them.

    At least one stage learns. Where the network cannot be cut there, nothing is frozen.
    """
    frozen = min(round(depth * backbone.num_stages), backbone.num_stages - 1)
    try:
        return frozen, backbone.suffix(frozen)
    except CutError:
        return 0, backbone.suffix(0)


def _probe(task: Task) -> LinearHead:
    return fit_ridge(task.features(task.train), task.train.labels, len(task.class_names))


def _schedule(params: Mapping[str, ParamValue], *, warm: bool, num_images: int) -> Schedule:
    return Schedule(
        epochs=int(params["epochs"]),
        learning_rate=LEARNING_RATE * float(params["learning_rate_multiplier"]),
        head_multiplier=1.0 if warm else FRESH_HEAD_MULTIPLIER,
        weight_decay=WEIGHT_DECAY * float(params["regularisation"]),
        keep_batch_statistics=num_images < SMALL_BATCHES,
    )


@hookimpl
def autotransfer_strategies() -> list[Strategy]:
    """Offer the strategy."""
    return [FineTune()]
