"""FixMatch: few labelled and many unlabelled target images train one network.

An image whose prediction is certain enough becomes a label for a strongly changed view of
itself. Predictions are aligned first: their mean is brought to the class shares of the labelled
images, so that one class cannot swallow the others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.plugin import (
    Layers,
    Need,
    Predictor,
    SearchSpace,
    Strategy,
    Task,
    TaskInfo,
    Trial,
    View,
    heads,
    hookimpl,
    networks,
    parameters,
    training,
)

LEARNING_RATE = 3e-4
WEIGHT_DECAY = 1e-2
UNLABELLED_RATIO = 2  # unlabelled images for each labelled one of a step
STRONG_VIEWS = 4  # of each image; each is computed once behind the frozen stages
MEMORY = 0.95  # of the running mean of predictions
SMALL_BATCHES = 200  # with fewer labelled images the statistics of a batch are noise


class FixMatch(networks.NetworkStrategy):
    """Cross-entropy on labels, and on certain pseudo-labels of unlabelled images.

    `threshold` is the least certainty of a pseudo-label, `weight` that of their loss.

    References:
        Sohn et al., FixMatch: Simplifying Semi-Supervised Learning with Consistency and
        Confidence, NeurIPS 2020, arXiv:2001.07685, equations 3 and 4; distribution alignment
        from Berthelot et al., ReMixMatch, ICLR 2020, arXiv:1911.09785.
    """

    name = "fix-match"
    needs = frozenset({Need.TARGET_LABELS, Need.UNLABELLED_TARGET})

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return parameters.training_space(
            default_depth=0.7,
            epochs=parameters.integer(4, 60, default=16, log=True),
            threshold=parameters.floating(0.6, 0.99, default=0.9),
            weight=parameters.floating(0.0, 2.0, default=1.0),
        )

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        params = trial.params
        images = task.needed_unlabelled(self.name)
        backbone, K = task.backbone(), len(task.class_names)
        stage = round(float(params["depth"]) * backbone.num_stages)
        frozen, headed = networks.HeadedSuffix.after(
            backbone, stage, K, task.device, seed=trial.seed
        )
        labelled = task.features.inputs(task.train, frozen)
        headed.set_head(
            heads.fit_ridge(networks.features_after(headed.suffix, labelled), task.train.labels, K)
        )
        plain = task.features.inputs(images, frozen)
        strong = [
            task.features.inputs(images, frozen, view=View("colour", number))
            for number in range(STRONG_VIEWS)
        ]
        stages = task.features.num_stages
        layers = Layers(stages, stages, stages - frozen)
        schedule = training.Schedule(
            epochs=int(params["epochs"]),
            learning_rate=LEARNING_RATE * float(params["learning_rate_multiplier"]),
            weight_decay=WEIGHT_DECAY * float(params["regularisation"]),
            keep_batch_statistics=len(task.train) < SMALL_BATCHES,
        )
        counts = np.bincount(task.train.labels, minlength=K)
        aligned = Aligned(torch.from_numpy(counts / counts.sum()).float().to(task.device))

        def snapshot() -> Predictor:
            return networks.NetworkPredictor.of(headed, task.source, frozen=frozen, layers=layers)

        training.train(
            headed,
            lambda positions, _: labelled.batch(positions),
            task.train.labels,
            schedule,
            seed=trial.seed,
            limits=training.Limits(trial.deadline),
            head=list(headed.head.parameters()),
            on_rung=lambda progress: trial.report(progress, snapshot()),
            objective=_objective(
                headed,
                plain,
                strong,
                aligned,
                threshold=float(params["threshold"]),
                weight=float(params["weight"]),
            ),
        )
        return snapshot()


class Aligned:
    """Predictions times shares over running mean, so that their mean becomes the shares.

    Args:
        shares: (K,) class shares of the labelled images.
    """

    def __init__(self, shares: Tensor) -> None:
        self._shares = shares
        self._mean = shares.clone()

    def __call__(self, probabilities: Tensor) -> Tensor:
        """Return the (b, K) aligned predictions, and remember the mean of the given ones."""
        self._mean = MEMORY * self._mean + (1 - MEMORY) * probabilities.mean(dim=0)
        found = probabilities * self._shares / self._mean.clamp_min(1e-6)
        return found / found.sum(dim=1, keepdim=True).clamp_min(1e-12)


def pseudo_loss(logits: Tensor, probabilities: Tensor, threshold: float) -> Tensor:
    """Return the mean cross-entropy to certain labels; uncertain images count zero.

    Args:
        logits: (b, K) of the strongly changed views.
        probabilities: (b, K) of the images as they are.
        threshold: Least probability of a label.
    """
    certainty, labels = probabilities.max(dim=1)
    losses = nn.functional.cross_entropy(logits, labels, reduction="none")
    return (losses * (certainty >= threshold)).mean()


def _objective(
    headed: networks.HeadedSuffix,
    plain: networks.StageInputs,
    strong: list[networks.StageInputs],
    aligned: Callable[[Tensor], Tensor],
    *,
    threshold: float,
    weight: float,
) -> training.Objective:
    def objective(step: training.Step) -> Tensor:
        loss = nn.functional.cross_entropy(headed(step.inputs), step.targets)
        size = min(UNLABELLED_RATIO * len(step.inputs), len(plain))
        if weight == 0 or size < 2:
            return loss
        positions = step.generator.choice(len(plain), size, replace=False)
        view = strong[int(step.generator.integers(len(strong)))]
        with torch.no_grad():
            weak = headed(plain.batch(positions).to(step.inputs.device)).float().softmax(dim=1)
        logits = headed(view.batch(positions).to(step.inputs.device))
        return loss + weight * pseudo_loss(logits.float(), aligned(weak), threshold)

    return objective


@hookimpl
def autotransfer_strategies() -> list[Strategy]:
    """Offer the strategy."""
    return [FixMatch()]
