"""Gradual self-training: from set to set towards the target, each labelled by the last network.

A network that is wrong on the target can be right on images half way. It labels those, learns
them, and is then asked about the next. Hard labels and regularisation are what makes it work:
soft labels and an unregularised network would only repeat themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from autotransfer.plugin import (
    ImageSet,
    Need,
    Predictor,
    ScenarioKind,
    SearchSpace,
    Task,
    TaskInfo,
    Trial,
    errors,
    networks,
    parameters,
    training,
)
from autotransfer_adaptation.three_sets import labels_as_of
from autotransfer_adaptation.two_domains import (
    PRETRAINED,
    STATISTICS_IMAGES,
    Plan,
    common_space,
    planned,
    repeated,
    unfit_from_scratch,
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

    @override
    def unfit(self, task: TaskInfo) -> str:
        return unfit_from_scratch(task)

    def hops(self, task: Task) -> Sequence[ImageSet]:
        """Return the images of each round."""
        return [task.needed_unlabelled(self.name)] * (len(_through(task)) + 1)

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        hops = self.hops(task)
        fewest = min(map(len, (task.train, *hops, *task.through)))
        headed, plan = planned(networks.HeadedSuffix, task, trial.params, fewest, trial.seed)
        walk = _Walk(task, headed, plan, trial)
        source_steps = max(1, round(SOURCE_SHARE * plan.steps))
        hop_steps = max(1, (plan.steps - source_steps) // len(hops))
        walk.learn(task.train, task.train.labels, source_steps)
        for number, images in enumerate(hops, start=1):
            walk.read_statistics(images)
            if images is not task.unlabelled and images.labelled:
                walk.learn(images, labels_as_of(task.class_names, images), hop_steps)
            else:
                walk.teach_itself(images, hop_steps)
            if number < len(hops):
                trial.report(number / len(hops), walk.predictor())
        walk.read_statistics(task.needed_unlabelled(self.name))
        return walk.predictor()


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

    task: Task
    headed: networks.HeadedSuffix
    plan: Plan
    trial: Trial

    def predictor(self) -> Predictor:
        """Return a snapshot of the network."""
        return networks.NetworkPredictor.of(
            self.headed, self.task.source, frozen=self.plan.frozen, layers=self.plan.layers
        )

    def inputs(self, images: ImageSet) -> networks.StageInputs:
        """Return what the layers that learn read of images."""
        return self.task.features.inputs(images, self.plan.frozen)

    def learn(self, images: ImageSet, labels: NDArray[np.int64], steps: int) -> None:
        """Train on images with labels for so many steps."""
        plan = replace(self.plan, steps=steps, batch_size=min(self.plan.batch_size, len(labels)))
        shown, order = repeated(labels, plan, self.trial.seed)
        inputs = self.inputs(images)
        training.train(
            self.headed,
            lambda positions, _: inputs.batch(order[positions]),
            shown,
            plan.schedule(),
            seed=self.trial.seed,
            limits=training.Limits(self.trial.deadline),
        )

    def teach_itself(self, images: ImageSet, steps: int) -> None:
        """Label images by the network as it is, and train on the more certain ones."""
        shares = networks.predict_batches(self.headed, self.inputs(images).batch, len(images))
        kept = most_certain(shares, float(self.trial.params["drop"]))
        labels = shares.argmax(axis=1).astype(np.int64)
        self.learn(images.subset(kept), labels[kept], steps)

    def read_statistics(self, images: ImageSet) -> None:
        """Give batch norm the statistics of the images that come next."""
        if not self.plan.keep and networks.batch_norms(self.headed.suffix):
            networks.adapt_statistics_to(
                self.headed.suffix, self.inputs(images), self.plan.batch_size, STATISTICS_IMAGES
            )


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
