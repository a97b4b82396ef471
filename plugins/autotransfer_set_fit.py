"""Contrastive few-shot tuning of encoders of texts: SetFit's recipe.

First the last layers learn that texts of one class lie together and others apart, from pairs; then
a logistic regression reads their features.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
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
    heads,
    hookimpl,
    networks,
    parameters,
    sources,
    training,
)

LEARNING_RATE = 1e-4
WEIGHT_DECAY = 1e-2
PAIRS = 8  # of a step


class SetFit(networks.NetworkStrategy):
    """The layers after `depth` learn from pairs of texts, then a logistic head is fitted.

    In an epoch each text comes with a random other one of its class. All pairs of texts in a step
    are compared: the cosine of their features is drawn to 1 within a class and to 0 between
    classes, both kinds of pairs counting alike, as in the recipe, which draws as many of one as of
    the other.

    References:
        Tunstall et al., Efficient Few-Shot Learning Without Prompts, 2022, arXiv:2209.11055,
        section 3.
    """

    name = "set-fit"
    needs = frozenset({Need.TARGET_LABELS})
    modalities = frozenset({sources.Modality.TEXT})
    least_per_class = 2  # one text has no other to be compared with

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return parameters.training_space(
            default_depth=0.5,
            epochs=parameters.integer(1, 20, default=5, log=True),
        )

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        params, backbone = trial.params, task.backbone()
        labels, K = task.train.labels, len(task.class_names)
        stage = round(float(params["depth"]) * backbone.num_stages)
        frozen, headed = networks.HeadedSuffix.after(
            backbone, stage, K, task.device, seed=trial.seed
        )
        inputs = task.features.inputs(task.train, frozen)
        stages = backbone.num_stages
        layers = Layers(stages, stages, stages - frozen)

        def snapshot() -> Predictor:
            rows = networks.features_after(headed.suffix, inputs)
            headed.set_head(heads.fit_logistic(rows, labels, K))
            return networks.NetworkPredictor.of(headed, task.source, frozen=frozen, layers=layers)

        def pairs(positions: NDArray[np.int64], generator: np.random.Generator) -> Tensor:
            others = partners(labels, positions, generator)
            both = inputs.batch(np.concatenate([positions, others]))
            return torch.stack([both[: len(positions)], both[len(positions) :]], dim=1)

        training.train(
            headed.suffix,
            pairs,
            labels,
            training.Schedule(
                epochs=int(params["epochs"]),
                batch_size=PAIRS,
                learning_rate=LEARNING_RATE * float(params["learning_rate_multiplier"]),
                weight_decay=WEIGHT_DECAY * float(params["regularisation"]),
            ),
            seed=trial.seed,
            limits=training.Limits(trial.deadline),
            on_rung=lambda progress: trial.report(progress, snapshot()),
            objective=_objective,
        )
        return snapshot()


def partners(
    labels: NDArray[np.int64], positions: NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return another item of the same class for each one; itself where there is none.

    Args:
        labels: (n,) classes.
        positions: (b,) of the items.
        generator: Draws them.
    """
    found = positions.copy()
    for i, position in enumerate(positions):
        others = np.flatnonzero(labels == labels[position])
        others = others[others != position]
        if len(others):
            found[i] = generator.choice(others)
    return found


def contrast(features: Tensor, classes: Tensor) -> Tensor:
    """Return the mean of (cosine - same class)^2 over pairs, both kinds counting alike.

    Args:
        features: (b, d).
        classes: (b,).
    """
    unit = nn.functional.normalize(features.float(), dim=1)
    cosines = unit @ unit.T
    same = classes[:, None] == classes[None, :]
    pairs = ~torch.eye(len(classes), dtype=torch.bool, device=classes.device)
    parts = [(1 - cosines[same & pairs]).square(), cosines[~same].square()]
    return torch.stack([part.mean() for part in parts if len(part)]).mean()


def _objective(step: training.Step) -> Tensor:
    texts = step.inputs.transpose(0, 1).flatten(0, 1)
    return contrast(step.network(texts), step.targets.repeat(2))


@hookimpl
def autotransfer_strategies() -> list[Strategy]:
    """Offer the strategy."""
    return [SetFit()]
