"""Gradual self-training: from set to set towards the target, each labelled by the last network.

A network that is wrong on the target can be right on images half way. It labels those, learns
them, and is then asked about the next. Hard labels and regularisation are what makes it work:
soft labels and an unregularised network would only repeat themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from autotransfer.plugin import (
    ImageSet,
    Layers,
    Need,
    ParamValue,
    Predictor,
    ScenarioKind,
    SearchSpace,
    Task,
    TaskInfo,
    Trial,
    errors,
    networks,
    parameters,
    sources,
    training,
)
from autotransfer_adaptation.three_sets import labels_as_of
from autotransfer_adaptation.two_domains import (
    PRETRAINED,
    WEIGHT_DECAY,
    Plan,
    common_space,
    planned,
    repeated,
    spread_batches,
)

DROP = 0.1  # share of the least certain images of a hop; Kumar et al. 2020, section 5
SOURCE_SHARE = 0.5  # of the steps; the hops share the rest


class DirectSelfTraining(networks.NetworkStrategy):
    """As many rounds of self-training as the gradual way has hops, all of them on the target.

    What the gradual way has to beat, at the same number of steps.
    """

    name = "direct-self-training"
    scenarios = frozenset({ScenarioKind.UNLABELLED})
    needs = frozenset({Need.UNLABELLED_TARGET, Need.INTERMEDIATES})
    modalities = frozenset(PRETRAINED)
    optimises = frozenset({"entropy", "infomax", "bnm"})
    shifts_source_features = True
    priority = 7

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return common_space() + SearchSpace.of(drop=parameters.floating(0.0, 0.3, default=DROP))

    def hops(self, task: Task) -> Sequence[ImageSet]:
        """Return the images of each round."""
        return [task.needed_unlabelled(self.name)] * (len(_through(task)) + 1)

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        hops, params = self.hops(task), trial.params
        fewest = min(map(len, (task.train, *hops, *task.through)))
        headed, plan = planned(networks.HeadedSuffix, task, params, fewest, trial.seed)
        walk = _Walk(headed, plan, params, trial)
        stages = task.features.num_stages
        copied = 0 if isinstance(task.source.weights, sources.Untrained) else stages
        layers = Layers(stages, copied, stages - plan.frozen)
        source_steps = max(1, round(SOURCE_SHARE * plan.steps))
        hop_steps = max(1, (plan.steps - source_steps) // len(hops))
        walk.learn(task.features.inputs(task.train, plan.frozen), task.train.labels, source_steps)
        for number, images in enumerate(hops, start=1):
            inputs = task.features.inputs(images, plan.frozen)
            walk.read_statistics(inputs)
            known = images is not task.unlabelled and images.labelled
            if known:
                walk.learn(inputs, labels_as_of(task.class_names, images), hop_steps)
            else:
                walk.teach_itself(inputs, hop_steps)
            if number < len(hops):
                found = networks.NetworkPredictor.of(
                    headed, task.source, frozen=plan.frozen, layers=layers
                )
                trial.report(number / len(hops), found)
        target = task.needed_unlabelled(self.name)
        walk.read_statistics(task.features.inputs(target, plan.frozen))
        return networks.NetworkPredictor.of(headed, task.source, frozen=plan.frozen, layers=layers)


class GradualSelfTraining(DirectSelfTraining):
    """Self-training through intermediate images; labels that one has are used.

    `drop` is the share of the least certain images of a hop that is not learned,
    `regularisation` the weight decay, `effort` multiplies the number of steps.

    References:
        Kumar, Ma & Liang, Understanding Self-Training for Gradual Domain Adaptation, ICML 2020,
        arXiv:2002.11361.
    """

    name = "gradual-self-training"
    uses_intermediate = True
    priority = 8

    @override
    def hops(self, task: Task) -> Sequence[ImageSet]:
        target = task.needed_unlabelled(self.name)
        return [*_through(task), target]


@dataclass(frozen=True)
class _Walk:
    """One network on its way."""

    headed: networks.HeadedSuffix
    plan: Plan
    params: Mapping[str, ParamValue]
    trial: Trial

    def learn(self, inputs: networks.StageInputs, labels: NDArray[np.int64], steps: int) -> None:
        """Train on labelled images for so many steps."""
        plan = replace(self.plan, steps=steps, batch_size=min(self.plan.batch_size, len(labels)))
        shown, order = repeated(labels, plan, self.trial.seed)
        training.train(
            self.headed,
            lambda positions, _: inputs.batch(order[positions]),
            shown,
            training.Schedule(
                epochs=1,
                batch_size=plan.batch_size,
                learning_rate=plan.learning_rate,
                weight_decay=WEIGHT_DECAY * float(self.params["regularisation"]),
                keep_batch_statistics=plan.keep,
            ),
            seed=self.trial.seed,
            limits=training.Limits(self.trial.deadline),
        )

    def teach_itself(self, inputs: networks.StageInputs, steps: int) -> None:
        """Label images by the network as it is, and train on the more certain ones."""
        shares = networks.predict_batches(self.headed, inputs.batch, len(inputs))
        kept = most_certain(shares, float(self.params["drop"]))
        labels = shares.argmax(axis=1).astype(np.int64)
        self.learn(_Chosen(inputs, kept), labels[kept], steps)

    def read_statistics(self, inputs: networks.StageInputs) -> None:
        """Give batch norm the statistics of the images that come next."""
        if not self.plan.keep and networks.batch_norms(self.headed.suffix):
            batches = spread_batches(inputs, self.headed, self.plan.batch_size)
            networks.adapt_statistics(self.headed.suffix, *batches)


@dataclass(frozen=True)
class _Chosen:
    """Some of the images of a set."""

    inputs: networks.StageInputs
    positions: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.positions)

    def batch(self, positions: NDArray[np.int64]) -> Tensor:
        """Return the inputs at (b,) positions among those chosen."""
        return self.inputs.batch(self.positions[positions])


def most_certain(shares: NDArray[np.float64], drop: float) -> NDArray[np.int64]:
    """Return the ascending positions of all but the least certain images, two at least.

    Args:
        shares: (n, K) predictions.
        drop: Share of the images to leave out, in [0, 1).
    """
    certainty = shares.max(axis=1)
    count = max(len(shares) - int(drop * len(shares)), min(2, len(shares)))
    return np.sort(np.argsort(-certainty, kind="stable")[:count])


def _through(task: Task) -> tuple[ImageSet, ...]:
    if not task.through:
        raise errors.InvalidOptionError(
            "gradual self-training goes through intermediate images, and there are none; give "
            "them with --through PATH, or leave out this strategy"
        )
    return task.through
