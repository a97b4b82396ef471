"""Multi-task transfer: target and source images train one backbone with two heads.

The loss is CE(target) + w CE(source), on batches of the same size; w falls to 0 over the last
third, so that the end belongs to the target. Where the gradients conflict, the source's is
projected (Yu et al., NeurIPS 2020). Each domain has batch-norm statistics of its own. The source
head is thrown away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.plugin import (
    Layers,
    Need,
    ParamValue,
    Predictor,
    SearchSpace,
    Strategy,
    Task,
    TaskInfo,
    Trial,
    heads,
    hookimpl,
    networks,
    parameters,
    sources,
    training,
)
from autotransfer_multi_task.gradient_projection import projected_loss
from autotransfer_multi_task.two_heads import TwoHeads

LEARNING_RATE = 3e-4
WEIGHT_DECAY = 1e-2
PROBED = 500  # images from which a head starts
BATCH_SIZE = 32  # of the passes that measure statistics or feed a probe
MOST_IMAGES = 256  # statistics of a channel settle long before
ANNEALED_FROM = 2 / 3  # share of all steps after which the source weight falls


class MultiTask(networks.NetworkStrategy):
    """Train the last stages on target and source images together.

    `source_weight` is w; `projection` takes from the source gradient what opposes the target's;
    `batch_norm` says whether the domains share running statistics.
    """

    name = "multi-task"
    needs = frozenset({Need.TARGET_LABELS, Need.SOURCE_IMAGES})
    least_per_class = 5

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return parameters.training_space(
            default_depth=0.7,
            epochs=parameters.integer(3, 30, default=8, log=True),
            source_weight=parameters.floating(0.01, 1.0, default=0.3, log=True),
            projection=parameters.choice(("on", "off"), default="on"),
            batch_norm=parameters.choice(("per domain", "shared"), default="per domain"),
        )

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        params = trial.params
        schedule = _schedule(params, task)
        images = task.needed_source_images(self.name)
        images = images.sample(schedule.epochs * len(task.train), trial.seed)  # what can be shown
        backbone, K, Z = task.backbone(), len(task.class_names), len(images.class_names)
        stage = round(float(params["depth"]) * backbone.num_stages)
        frozen, headed = networks.HeadedSuffix.after(
            backbone, stage, K, task.device, seed=trial.seed
        )
        suffix = headed.suffix
        target = task.features.inputs(task.train, frozen)
        source = task.features.inputs(images, frozen)
        separate = params["batch_norm"] == "per domain"
        statistics = _separated(suffix, target, source) if separate else None
        headed.set_head(_probe(suffix, target, task.train.labels, K))
        with _away(statistics):
            probe = _probe(suffix, source, images.labels, Z)
        network = TwoHeads(headed, probe).to(task.device)
        stages = task.features.num_stages
        layers = Layers(stages, stages, stages - frozen)

        def snapshot() -> Predictor:
            return networks.NetworkPredictor.of(
                network.headed, task.source, frozen=frozen, layers=layers
            )

        cycle = training.Cycle(len(images), trial.seed)

        def draw(size: int) -> tuple[Tensor, Tensor]:
            positions = cycle.next(size)
            return source.batch(positions), torch.from_numpy(images.labels[positions])

        training.train(
            network,
            lambda positions, _: target.batch(positions),
            task.train.labels,
            schedule,
            seed=trial.seed,
            limits=training.Limits(trial.deadline),
            head=network.heads(),
            on_rung=lambda progress: trial.report(progress, snapshot()),
            objective=_objective(network, draw, params, statistics),
        )
        return snapshot()


def annealed(weight: float, progress: float) -> float:
    """Return the source weight at a share of all steps in [0, 1]: constant, then down to 0."""
    return weight * min(1.0, max(0.0, (1 - progress) / (1 - ANNEALED_FROM)))


def _schedule(params: Mapping[str, ParamValue], task: Task) -> training.Schedule:
    pretrained = not isinstance(task.source.weights, sources.Untrained)
    return training.Schedule(
        epochs=int(params["epochs"]),
        learning_rate=LEARNING_RATE * float(params["learning_rate_multiplier"]),
        weight_decay=WEIGHT_DECAY * float(params["regularisation"]),
        keep_batch_statistics=training.keeps_batch_statistics(
            len(task.train), pretrained=pretrained
        ),
    )


def _separated(
    suffix: nn.Module, target: networks.StageInputs, source: networks.StageInputs
) -> networks.DomainStatistics | None:
    """Return the statistics of both domains, each started from its own images."""
    statistics = networks.DomainStatistics(suffix)
    statistics.adapt(target, source, BATCH_SIZE, MOST_IMAGES)
    return statistics if statistics.layers else None


def _away(statistics: networks.DomainStatistics | None) -> AbstractContextManager[None]:
    return nullcontext() if statistics is None else statistics.other()


def _probe(
    suffix: nn.Module, inputs: networks.StageInputs, labels: NDArray[np.int64], num_classes: int
) -> heads.LinearHead:
    """Return the ridge probe on the features as they are now, from a spread of the images."""
    shown = np.linspace(0, len(inputs) - 1, min(len(inputs), PROBED)).astype(np.int64)
    # batches of about the same size, none of a single image where there are more
    pieces = np.array_split(shown, math.ceil(len(shown) / BATCH_SIZE))
    with torch.inference_mode():
        rows = [suffix(inputs.batch(piece)).double().cpu().numpy() for piece in pieces]
    return heads.fit_ridge(np.concatenate(rows), labels[shown], num_classes)


def _objective(
    network: TwoHeads,
    draw: Callable[[int], tuple[Tensor, Tensor]],
    params: Mapping[str, ParamValue],
    statistics: networks.DomainStatistics | None,
) -> training.Objective:
    separate = network.heads()
    shared = list(network.headed.suffix.parameters())
    weight, surgery = float(params["source_weight"]), params["projection"] == "on"

    def objective(step: training.Step) -> Tensor:
        loss = nn.functional.cross_entropy(network(step.inputs), step.targets)
        w = annealed(weight, step.progress)
        if w == 0.0:
            return loss
        inputs, labels = draw(len(step.inputs))
        with _away(statistics):
            logits = network.source_logits(inputs.to(step.inputs.device))
        other = w * nn.functional.cross_entropy(logits, labels.to(step.inputs.device))
        return projected_loss(loss, other, shared, separate) if surgery else loss + other

    return objective


@hookimpl
def autotransfer_strategies() -> list[Strategy]:
    """Offer the strategy."""
    return [MultiTask()]
