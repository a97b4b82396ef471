"""FixMatch: few labelled and many unlabelled target images train one network.

What the network says of a weak view of an item, where it is certain enough, becomes the label of a
strong view. Of images these are flip and shift, and RandAugment and Cutout; of texts a tenth and
three tenths of the words left out; of sounds loudness, and that, a part of it and SpecAugment.
Predictions are aligned first: their mean is brought to the class shares of the labelled items, so
that one class cannot swallow the others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.plugin import (
    ImageSet,
    Layers,
    Need,
    Predictor,
    SearchSpace,
    Strategy,
    Task,
    TaskInfo,
    Trial,
    View,
    hookimpl,
    networks,
    parameters,
    sources,
    training,
)
from autotransfer_fine_tune.batches import drawn_views
from autotransfer_fine_tune.modalities import READ, terms_of

WEIGHT_DECAY = 1e-2
UNLABELLED_RATIO = 7  # unlabelled items for each labelled one of a step, as in the paper
# Views of each image behind frozen stages, where each is computed once; else all are drawn afresh.
WEAK_VIEWS, STRONG_VIEWS = 2, 4
MEMORY = 0.95  # of the running mean of predictions


class FixMatch(networks.NetworkStrategy):
    """Cross-entropy on labels, and on certain pseudo-labels of unlabelled images.

    `threshold` is the least certainty of a pseudo-label, `weight` that of their loss. Labelled
    images are shown in weak views. Unlike the paper's, the network is the one that was trained,
    not a running mean of it.

    References:
        Sohn et al., FixMatch: Simplifying Semi-Supervised Learning with Consistency and
        Confidence, NeurIPS 2020, arXiv:2001.07685, equations 3 and 4; distribution alignment
        from Berthelot et al., ReMixMatch, ICLR 2020, arXiv:1911.09785.
    """

    name = "fix-match"
    needs = frozenset({Need.TARGET_LABELS, Need.UNLABELLED_TARGET})
    modalities = READ
    on_request = READ - {sources.Modality.IMAGE}  # where nobody has measured what it pays

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return parameters.training_space(
            default_depth=0.7,
            epochs=parameters.integer(4, 60, default=16, log=True),
            weight=parameters.floating(0.0, 2.0, default=1.0),
            threshold=parameters.floating(0.6, 0.99, default=0.95).only_where(weight=()),
        )

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        params = trial.params
        images = task.needed_unlabelled(self.name)
        backbone, K, terms = task.backbone(), len(task.class_names), terms_of(task.source)
        stage = round(float(params["depth"]) * backbone.num_stages)
        frozen, headed = networks.HeadedSuffix.after(
            backbone, stage, K, task.device, seed=trial.seed
        )
        labelled = task.features.inputs(task.train, frozen)
        headed.set_head(
            terms.probe(networks.features_after(headed.suffix, labelled), task.train.labels, K)
        )
        shown = Views(task, task.train, frozen, terms.weak, WEAK_VIEWS)
        weak = Views(task, images, frozen, terms.weak, WEAK_VIEWS)
        strong = Views(task, images, frozen, terms.strong, STRONG_VIEWS)
        stages = task.features.num_stages
        layers = Layers(stages, stages, stages - frozen)
        pretrained = not isinstance(task.source.weights, sources.Untrained)
        schedule = training.Schedule(
            epochs=int(params["epochs"]),
            learning_rate=terms.learning_rates["adamw"]
            * float(params["learning_rate_multiplier"]),
            weight_decay=WEIGHT_DECAY * float(params["regularisation"]),
            keep_batch_statistics=training.keeps_batch_statistics(
                len(task.train), pretrained=pretrained
            ),
        )
        counts = np.bincount(task.train.labels, minlength=K)
        aligned = Aligned(torch.from_numpy(counts / counts.sum()).float().to(task.device))

        def snapshot() -> Predictor:
            return networks.NetworkPredictor.of(headed, task.source, frozen=frozen, layers=layers)

        training.train(
            headed,
            shown.batch,
            task.train.labels,
            schedule,
            seed=trial.seed,
            limits=training.Limits(trial.deadline),
            head=list(headed.head.parameters()),
            on_rung=lambda progress: trial.report(progress, snapshot()),
            objective=_objective(
                headed,
                weak,
                strong,
                aligned,
                threshold=float(params["threshold"]),
                weight=float(params["weight"]),
            ),
        )
        return snapshot()


class Views:
    """The inputs of the first layer that learns, each image in a random view.

    Args:
        task: Gives the features.
        images: The n images.
        frozen: Number of frozen stages; behind some, each image has a few views.
        kind: What `View` takes.
        number: How many these are.
    """

    def __init__(self, task: Task, images: ImageSet, frozen: int, kind: str, number: int) -> None:
        self._task, self._images, self._kind = task, images, kind
        self._kept = [self._inputs(frozen, i) for i in range(number)] if frozen else []

    def __len__(self) -> int:
        return len(self._images)

    def batch(self, positions: NDArray[np.int64], generator: np.random.Generator) -> Tensor:
        """Return the (b, ...) inputs of the images at `positions`, in their order."""
        if self._kept:
            return drawn_views(self._kept, positions, generator)
        return self._inputs(0, int(generator.integers(1 << 31))).batch(positions)

    def _inputs(self, frozen: int, number: int) -> networks.StageInputs:
        return self._task.features.inputs(self._images, frozen, view=View(self._kind, number))


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
        probabilities: (b, K) of the weak views of the same images.
        threshold: Least probability of a label.
    """
    certainty, labels = probabilities.max(dim=1)
    losses = nn.functional.cross_entropy(logits, labels, reduction="none")
    return (losses * (certainty >= threshold)).mean()


def _objective(
    headed: networks.HeadedSuffix,
    weak: Views,
    strong: Views,
    aligned: Callable[[Tensor], Tensor],
    *,
    threshold: float,
    weight: float,
) -> training.Objective:
    def objective(step: training.Step) -> Tensor:
        loss = nn.functional.cross_entropy(headed(step.inputs), step.targets)
        size, device = min(UNLABELLED_RATIO * len(step.inputs), len(weak)), step.inputs.device
        if weight == 0 or size < 2:
            return loss
        positions = step.generator.choice(len(weak), size, replace=False)
        with torch.no_grad():
            said = headed(weak.batch(positions, step.generator).to(device)).float().softmax(dim=1)
        logits = headed(strong.batch(positions, step.generator).to(device))
        return loss + weight * pseudo_loss(logits.float(), aligned(said), threshold)

    return objective


@hookimpl
def autotransfer_strategies() -> list[Strategy]:
    """Offer the strategy."""
    return [FixMatch()]
