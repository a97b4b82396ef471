"""Continued self-supervised training of a source on unlabelled target items, then a probe.

Two views of the same image should have the same features, and features should not collapse; of a
text some tokens are masked, and filled in from the others. Labels are used only by the probe at
the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.plugin import (
    Backbone,
    Layers,
    Need,
    Predictor,
    SearchSpace,
    Source,
    Strategy,
    Task,
    TaskInfo,
    Trial,
    View,
    heads,
    hookimpl,
    networks,
    parameters,
    sources,
    training,
)
from autotransfer_continued_pretraining.masked import FilledIn, MaskedTexts, filling_in

LEARNING_RATE = 3e-5  # at ten times as much the features forget faster than they learn
READ = frozenset({sources.Modality.IMAGE, sources.Modality.TEXT})
EXPANDER_MULTIPLIER = 10.0
WEIGHT_DECAY = 1e-2
STEPS = 150
BATCH_SIZE = 32
VIEWS = 4  # of each image; each is computed once behind the frozen stages
WIDEST = 512  # of what is compared
INVARIANCE, VARIANCE, COVARIANCE = 25.0, 25.0, 1.0  # Bardes et al. 2022, section 4.2


class ContinuedPretraining(networks.NetworkStrategy):
    """The last stages learn from unlabelled target items; a probe reads them.

    Batch norm keeps the source's statistics, so that without any step this is the plain probe;
    of the usual objectives VICReg is the one that needs no statistics of a batch in its own
    layers, no other images to be told apart from, and no orientation that an image from
    above lacks. Texts are masked and filled in, for which an encoder has to have layers and its
    tokenizer a token for what is masked. `effort` multiplies the number of steps.

    References:
        Bardes, Ponce & LeCun, VICReg: Variance-Invariance-Covariance Regularization for
        Self-Supervised Learning, ICLR 2022, arXiv:2105.04906, equations 1 to 6. Gururangan et al.,
        Don't Stop Pretraining, ACL 2020, arXiv:2004.10964, and Devlin et al., BERT, NAACL 2019,
        arXiv:1810.04805, section 3.1, for texts; every token that is drawn is masked.
    """

    name = "continued-pretraining"
    needs = frozenset({Need.TARGET_LABELS, Need.UNLABELLED_TARGET})
    modalities = READ

    @override
    def unfit(self, task: TaskInfo) -> str:
        return sources.reason_not_masked(task.source) if _is_text(task.source) else ""

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return parameters.training_space(
            default_depth=0.6,
            effort=parameters.floating(0.25, 4.0, default=1.0, log=True),
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
        suffix = headed.suffix
        labelled = task.features.inputs(task.train, frozen)
        stages = task.features.num_stages
        layers = Layers(stages, stages, stages - frozen)

        def snapshot() -> Predictor:
            rows = networks.features_after(suffix, labelled)
            fit = heads.fit_logistic if _is_text(task.source) else heads.fit_ridge
            headed.set_head(fit(rows, task.train.labels, K))
            return networks.NetworkPredictor.of(headed, task.source, frozen=frozen, layers=layers)

        steps = round(STEPS * float(params["effort"]))
        cycle = training.Cycle(len(images), trial.seed)
        shown = cycle.next(steps * min(BATCH_SIZE, len(images)))
        if steps and len(images) > 1:
            learns = _learner(task, backbone, headed.suffix, shown, frozen=frozen, seed=trial.seed)
            training.train(
                learns.network,
                lambda positions, _: learns.inputs.batch(shown[positions][:1]),
                np.zeros(len(shown), dtype=np.int64),
                training.Schedule(
                    epochs=1,
                    batch_size=min(BATCH_SIZE, len(images)),
                    learning_rate=LEARNING_RATE * float(params["learning_rate_multiplier"]),
                    weight_decay=WEIGHT_DECAY * float(params["regularisation"]),
                    head_multiplier=EXPANDER_MULTIPLIER,
                    keep_batch_statistics=True,
                ),
                seed=trial.seed,
                limits=training.Limits(trial.deadline),
                head=learns.beside,
                on_rung=lambda progress: trial.report(progress, snapshot()),
                objective=learns.objective,
            )
        return snapshot()


@dataclass(frozen=True)
class Learner:
    """What is trained.

    Args:
        network: The layers that learn, with what learns beside them.
        beside: What is thrown away.
        inputs: Of the layers; says on which device a step is.
        objective: What a step minimises.
    """

    network: nn.Module
    beside: list[nn.Parameter]
    inputs: networks.StageInputs
    objective: training.Objective


def _learner(
    task: Task,
    backbone: Backbone,
    suffix: nn.Module,
    shown: NDArray[np.int64],
    *,
    frozen: int,
    seed: int,
) -> Learner:
    images = task.needed_unlabelled(ContinuedPretraining.name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(backbone, networks.TextBackbone):
            filled = FilledIn(suffix, backbone.token_rows, backbone.num_features).to(task.device)
            texts = MaskedTexts(task, images, frozen)
            return Learner(filled, filled.beside, texts.plain, filling_in(filled, texts, shown))
        compared = Vicreg(suffix, backbone.num_features).to(task.device)
    views = [
        task.features.inputs(images, frozen, view=View("colour", number))
        for number in range(VIEWS)
    ]
    beside = list(compared.expander.parameters())
    return Learner(compared, beside, views[0], _objective(compared, views, shown))


def _is_text(source: Source) -> bool:
    return source.modality is sources.Modality.TEXT


class Vicreg(nn.Module):
    """The layers that learn, and an expander that is thrown away.

    Args:
        suffix: Returns (b, d) features.
        width: d.
    """

    def __init__(self, suffix: nn.Module, width: int) -> None:
        super().__init__()
        wide = min(WIDEST, 2 * width)
        self.suffix = suffix
        self.expander = nn.Sequential(
            nn.Linear(width, wide), nn.LayerNorm(wide), nn.ReLU(), nn.Linear(wide, wide)
        )

    @override
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the loss of two views of the same images."""
        return vicreg(self.expander(self.suffix(first)), self.expander(self.suffix(second)))


def vicreg(first: Tensor, second: Tensor) -> Tensor:
    """Return invariance, variance and covariance terms of (b, e) embeddings of two views."""
    first, second = first.float(), second.float()
    invariance = nn.functional.mse_loss(first, second)
    variance = (_spread(first) + _spread(second)) / 2
    covariance = _redundancy(first) + _redundancy(second)
    return INVARIANCE * invariance + VARIANCE * variance + COVARIANCE * covariance


def _spread(z: Tensor) -> Tensor:
    """Return by how much the standard deviation of each column falls short of one, on average."""
    variance = z.var(dim=0, correction=min(1, len(z) - 1))  # of one image: none
    return nn.functional.relu(1 - torch.sqrt(variance + 1e-4)).mean()


def _redundancy(z: Tensor) -> Tensor:
    """Return the sum of squared covariances of different columns, per column."""
    centred = z - z.mean(dim=0)
    covariance = centred.T @ centred / max(len(z) - 1, 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1]


def _objective(
    compared: nn.Module, views: list[networks.StageInputs], shown: NDArray[np.int64]
) -> training.Objective:
    def objective(step: training.Step) -> Tensor:
        positions = np.unique(shown[step.positions])
        one, other = step.generator.choice(len(views), 2, replace=False)
        device = step.inputs.device
        loss: Tensor = compared(
            views[one].batch(positions).to(device), views[other].batch(positions).to(device)
        )
        return loss

    return objective


@hookimpl
def autotransfer_strategies() -> list[Strategy]:
    """Offer the strategy."""
    return [ContinuedPretraining()]
