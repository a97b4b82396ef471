"""Multi-task transfer: target and source pictures train one backbone with two heads.

The loss is CE(target) + w CE(source), on batches of the same size; w falls to 0 over the last
third, so that the end belongs to the target. Where the gradients conflict, the source's is
projected (Yu et al., NeurIPS 2020). Each domain has batch-norm statistics of its own. The source
head is thrown away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from autotransfer import hookimpl
from autotransfer.data.image_set import ImageSet
from autotransfer.models.batch_norm import (
    BATCH_SIZE,
    MOST_PICTURES,
    DomainStatistics,
    adapt_statistics,
)
from autotransfer.models.heads import LinearHead, fit_ridge
from autotransfer.models.predictors.base import Predictor, StageInputs
from autotransfer.models.predictors.neural import HeadedSuffix, NetworkPredictor
from autotransfer.models.training import Limits, Objective, Schedule, Step, train
from autotransfer.plugin.need import Need
from autotransfer.plugin.space import SearchSpace, choice, floating, integer, training_space
from autotransfer.plugin.strategy import NetworkStrategy, Strategy, Task, TaskInfo, Trial
from autotransfer.results import Layers, ParamValue
from autotransfer_multi_task.gradient_projection import project, projected_loss
from autotransfer_multi_task.two_heads import Draws, TwoHeads

__all__ = ["DomainStatistics", "MultiTask", "adapt_statistics", "annealed", "project"]

LEARNING_RATE = 3e-4
WEIGHT_DECAY = 1e-2
SMALL_BATCHES = 200  # with fewer target pictures the statistics of a batch are noise
PROBED = 500  # pictures from which a head starts
ANNEALED_FROM = 2 / 3  # share of all steps after which the source weight falls


class MultiTask(NetworkStrategy):
    """Train the last stages on target and source pictures together.

    `source_weight` is w; `projection` takes from the source gradient what opposes the target's;
    `batch_norm` says whether the domains share running statistics.
    """

    name = "multi-task"
    needs = frozenset({Need.TARGET_LABELS, Need.SOURCE_IMAGES})
    least_per_class = 5

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return training_space(
            default_depth=0.7,
            epochs=integer(3, 30, default=8, log=True),
            source_weight=floating(0.01, 1.0, default=0.3, log=True),
            projection=choice(("on", "off"), default="on"),
            batch_norm=choice(("per domain", "shared"), default="per domain"),
        )

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        params = trial.params
        schedule = _schedule(params, len(task.train))
        pictures = _source_pictures(task, schedule, trial.seed)
        backbone, K, Z = task.backbone(), len(task.class_names), len(pictures.class_names)
        stage = round(float(params["depth"]) * backbone.num_stages)
        frozen, headed = HeadedSuffix.after(backbone, stage, K, task.device, seed=trial.seed)
        suffix = headed.suffix
        target = task.features.inputs(task.train, frozen)
        source = task.features.inputs(pictures, frozen)
        separate = params["batch_norm"] == "per domain"
        statistics = _separated(suffix, target, source) if separate else None
        headed.set_head(_probe(suffix, target, task.train.labels, K))
        with _away(statistics):
            probe = _probe(suffix, source, pictures.labels, Z)
        network = TwoHeads(headed, probe).to(task.device)
        stages = task.features.num_stages
        layers = Layers(stages, stages, stages - frozen)

        def snapshot() -> Predictor:
            return NetworkPredictor.of(network.headed, task.source, frozen=frozen, layers=layers)

        train(
            network,
            lambda positions, _: target.batch(positions),
            task.train.labels,
            schedule,
            seed=trial.seed,
            limits=Limits(trial.deadline),
            head=network.heads(),
            on_rung=lambda progress: trial.report(progress, snapshot()),
            objective=_objective(
                network, Draws(source, pictures.labels, trial.seed), params, statistics
            ),
        )
        return snapshot()


def annealed(weight: float, progress: float) -> float:
    """Return the source weight at a share of all steps in [0, 1]: constant, then down to 0."""
    return weight * min(1.0, max(0.0, (1 - progress) / (1 - ANNEALED_FROM)))


def _schedule(params: Mapping[str, ParamValue], num_images: int) -> Schedule:
    return Schedule(
        epochs=int(params["epochs"]),
        learning_rate=LEARNING_RATE * float(params["learning_rate_multiplier"]),
        weight_decay=WEIGHT_DECAY * float(params["regularisation"]),
        keep_batch_statistics=num_images < SMALL_BATCHES,
    )


def _source_pictures(task: Task, schedule: Schedule, seed: int) -> ImageSet:
    """Return the labelled source pictures, at most as many as the steps can show."""
    pictures = task.source_pictures("multi-task")
    shown = schedule.epochs * len(task.train)
    order = np.random.default_rng(seed).permutation(len(pictures))
    return pictures.subset(np.sort(order[:shown]))


def _separated(
    suffix: nn.Module, target: StageInputs, source: StageInputs
) -> DomainStatistics | None:
    """Return the statistics of both domains, each started from its own pictures."""
    statistics = DomainStatistics(suffix)
    if not statistics.layers:
        return None
    adapt_statistics(suffix, _mixed_batches(target), min(len(target), MOST_PICTURES))
    with statistics.other():
        adapt_statistics(suffix, _mixed_batches(source), min(len(source), MOST_PICTURES))
    return statistics


def _away(statistics: DomainStatistics | None) -> AbstractContextManager[None]:
    return nullcontext() if statistics is None else statistics.other()


def _probe(
    suffix: nn.Module, inputs: StageInputs, labels: NDArray[np.int64], num_classes: int
) -> LinearHead:
    """Return the ridge probe on the features as they are now, from a spread of the pictures."""
    with torch.inference_mode():
        rows = [suffix(batch).double().cpu().numpy() for batch in _in_batches(inputs, PROBED)()]
    return fit_ridge(np.concatenate(rows), labels[_spread(inputs, PROBED)], num_classes)


def _spread(inputs: StageInputs, most: int) -> NDArray[np.int64]:
    return np.linspace(0, len(inputs) - 1, min(len(inputs), most)).astype(np.int64)


def _in_batches(inputs: StageInputs, most: int) -> Callable[[], Iterator[Tensor]]:
    """Return batches of about the same size, none of a single picture where there are more."""
    shown = _spread(inputs, most)
    pieces = np.array_split(shown, math.ceil(len(shown) / BATCH_SIZE))
    return lambda: (inputs.batch(piece) for piece in pieces)


def _mixed_batches(inputs: StageInputs) -> Callable[[], Iterator[Tensor]]:
    """Return batches with pictures from everywhere: those of one class have other statistics."""
    shown = _spread(inputs, MOST_PICTURES)
    count = math.ceil(len(shown) / BATCH_SIZE)
    return lambda: (inputs.batch(shown[start::count]) for start in range(count))


def _objective(
    network: TwoHeads,
    draws: Draws,
    params: Mapping[str, ParamValue],
    statistics: DomainStatistics | None,
) -> Objective:
    heads = network.heads()
    shared = list(network.headed.suffix.parameters())
    weight, surgery = float(params["source_weight"]), params["projection"] == "on"

    def objective(step: Step) -> Tensor:
        loss = nn.functional.cross_entropy(network(step.inputs), step.targets)
        w = annealed(weight, step.progress)
        if w == 0.0:
            return loss
        inputs, labels = draws.draw(len(step.inputs))
        with _away(statistics):
            logits = network.source_logits(inputs.to(step.inputs.device))
        other = w * nn.functional.cross_entropy(logits, labels.to(step.inputs.device))
        return projected_loss(loss, other, shared, heads) if surgery else loss + other

    return objective


@hookimpl
def autotransfer_strategies() -> list[Strategy]:
    """Offer the strategy."""
    return [MultiTask()]
