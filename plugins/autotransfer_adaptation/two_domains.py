"""What every method that trains on two domains shares: plan, batches, statistics, snapshots."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

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
    ScenarioKind,
    SearchSpace,
    Task,
    TaskInfo,
    Trial,
    heads,
    networks,
    parameters,
    sources,
    training,
)
from autotransfer_fine_tune.learning import Trained

WEIGHT_DECAY = 1e-2
SCRATCH = (500, 64, 1e-3)  # steps, items of each domain in a step, learning rate
LEARNS_FROM_SCRATCH = frozenset({sources.Modality.IMAGE, sources.Modality.TEXT})
FEWEST_STEPS = 125  # from random weights; what the least effort is
PRETRAINED = {
    sources.Modality.IMAGE: (150, 16, 3e-4),
    sources.Modality.TEXT: (150, 16, 1e-4),
    sources.Modality.SOUND: (150, 16, 1e-4),
}
# Whose classifier begins as the logistic probe.
FROM_PROBE = frozenset({sources.Modality.TEXT, sources.Modality.SOUND})
FEW_IMAGES = (
    200  # of a domain: below, the statistics of a batch say too little to a pretrained net
)
STATISTICS_IMAGES = 1024  # that statistics are taken from

Headed = TypeVar("Headed", bound=networks.HeadedSuffix)


@dataclass(frozen=True)
class Plan:
    """How a network is trained.

    Args:
        frozen: Stages that stay as they are.
        steps: Number of steps.
        batch_size: Images of each domain in a step.
        learning_rate: Peak rate.
        keep: Whether batch norm keeps the statistics that it has while training.
        weight_decay: Of all layers that learn.
        layers: What to report.
    """

    frozen: int
    steps: int
    batch_size: int
    learning_rate: float
    keep: bool
    weight_decay: float
    layers: Layers

    def schedule(self, head_multiplier: float = 1.0) -> training.Schedule:
        """Return one long pass, whose images `repeated` has in order."""
        return training.Schedule(
            epochs=1,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            head_multiplier=head_multiplier,
            weight_decay=self.weight_decay,
            keep_batch_statistics=self.keep,
        )


@dataclass
class Domains:
    """The network in training and the images of both domains.

    Args:
        headed: The layers that learn, with their classifier.
        target: Inputs of the unlabelled target images; None where the method ignores them.
        plan: How it is trained.
        seed: Draws target images.
        critic: What learns beside the network and is thrown away.
        class_shares: (K,) shares of the classes in the target; None where all are alike.
        params: Of the trial.
    """

    headed: networks.HeadedSuffix
    target: networks.StageInputs | None
    plan: Plan
    seed: int
    critic: nn.Module = field(default_factory=nn.Identity)
    class_shares: Tensor | None = None
    params: Mapping[str, ParamValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._cycle = training.Cycle(0 if self.target is None else len(self.target), self.seed + 1)

    def draw(self, size: int) -> Tensor:
        """Return inputs of the next target images."""
        return self.batch(self.next_positions(size))

    def next_positions(self, size: int) -> NDArray[np.int64]:
        """Return which target images are next; each comes once before any comes again."""
        assert self.target is not None
        return self._cycle.next(size)

    def batch(self, positions: NDArray[np.int64]) -> Tensor:
        """Return the inputs of the target images at (b,) positions."""
        assert self.target is not None
        return self.target.batch(positions).to(next(self.headed.parameters()).device)

    def zero_shot(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (n, d) features and (n, K) predictions of all target images, as in training."""
        assert self.target is not None
        size = max(2 * self.plan.batch_size, 2)
        pieces = interleaved(len(self.target), size)
        features, shares = [], []
        with torch.no_grad():
            for piece in pieces:
                found = self.headed.features(self.batch(piece))
                features.append(found.double().cpu().numpy())
                shares.append(self.headed.head(found).double().softmax(dim=1).cpu().numpy())
        back = np.argsort(np.concatenate(pieces))
        return np.concatenate(features)[back], np.concatenate(shares)[back]


def unfit_from_scratch(task: TaskInfo) -> str:
    """Return why an untrained network is not trained, as those of sounds stay at chance."""
    kind = task.source.modality
    if kind in LEARNS_FROM_SCRATCH or not isinstance(task.source.weights, sources.Untrained):
        return ""
    return f"an untrained network of {kind.plural} learns nothing in so few steps"


def common_space() -> SearchSpace:
    """Return the parameters of all methods that train on several domains."""
    return parameters.training_space(
        default_depth=0.6,
        effort=parameters.floating(0.25, 4.0, default=1.0, log=True),
    )


class TwoDomains(networks.NetworkStrategy):
    """Trains on labelled source images and, beside them, unlabelled target images.

    Source and target batches pass through the network one after the other, so that each is
    normalised by its own statistics. After training the statistics of batch norm are taken from
    target images.

    `effort` multiplies the number of steps; `depth` is the share of the stages of a pretrained
    source that stay frozen, an untrained one learns whole.

    Attributes:
        target_statistics: Whether the statistics of the finished network are the target's.
        most_passes: From random weights, how often an image is shown at most, but for the fewest
            steps that `effort` allows; None is as often as the steps say.
    """

    scenarios = frozenset({ScenarioKind.UNLABELLED})
    needs = frozenset({Need.UNLABELLED_TARGET})
    modalities = frozenset(PRETRAINED)
    target_statistics = True
    most_passes: int | None = None
    shifts_source_features = True  # source images, too, are read with the statistics of the target

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return common_space() + self.own_space()

    @override
    def unfit(self, task: TaskInfo) -> str:
        return unfit_from_scratch(task)

    def own_space(self) -> SearchSpace:
        """Return the parameters of the method itself."""
        return SearchSpace.of()

    def critic(self, num_features: int, num_classes: int) -> nn.Module:  # noqa: ARG002
        """Return what learns beside the network; called under the seed of the trial."""
        return nn.Identity()

    def loss(self, domains: Domains, step: training.Step) -> Tensor:
        """Return the scalar that is minimised: the cross-entropy of the source."""
        return source_loss(domains, step)[0]

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        domains = _prepared(self, task, trial)
        plan = domains.plan

        def snapshot() -> Predictor:
            if self.target_statistics:
                take_statistics(domains)
            return networks.NetworkPredictor.of(
                domains.headed, task.source, frozen=plan.frozen, layers=plan.layers
            )

        source = task.features.inputs(task.train, plan.frozen)
        labels, order = repeated(task.train.labels, plan, trial.seed)
        training.train(
            Trained(domains.headed, domains.critic),
            lambda positions, _: source.batch(order[positions]),
            labels,
            plan.schedule(),
            seed=trial.seed,
            limits=training.Limits(trial.deadline),
            on_rung=lambda progress: trial.report(progress, snapshot()),
            objective=lambda step: self.loss(domains, step),
        )
        return snapshot()


def source_loss(domains: Domains, step: training.Step) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy of the source batch, and its (b, d) features."""
    features = domains.headed.features(step.inputs)
    loss = nn.functional.cross_entropy(domains.headed.head(features), step.targets)
    return loss, features


def _prepared(strategy: TwoDomains, task: Task, trial: Trial) -> Domains:
    reads_target = Need.UNLABELLED_TARGET in strategy.needs
    images = task.needed_unlabelled(strategy.name) if reads_target else None
    fewest = len(task.train) if images is None else min(len(task.train), len(images))
    headed, plan = planned(networks.HeadedSuffix, task, trial.params, fewest, trial.seed)
    if strategy.most_passes is not None and isinstance(task.source.weights, sources.Untrained):
        most = strategy.most_passes * len(task.train) // plan.batch_size
        plan = replace(plan, steps=min(plan.steps, max(most, FEWEST_STEPS)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(trial.seed)
        width, K = headed.head.in_features, headed.head.out_features
        critic = strategy.critic(width, K).to(task.device)
    target = None if images is None else task.features.inputs(images, plan.frozen)
    shares = None if task.class_shares is None else torch.tensor(task.class_shares)
    return Domains(headed, target, plan, trial.seed, critic, shares, trial.params)


def planned(
    kind: type[Headed], task: Task, params: Mapping[str, ParamValue], num_images: int, seed: int
) -> tuple[Headed, Plan]:
    """Return the layers that learn, and how, with so many images in the smallest domain."""
    backbone, K = task.backbone(), len(task.class_names)
    stages, untrained = backbone.num_stages, isinstance(task.source.weights, sources.Untrained)
    pretrained = PRETRAINED.get(task.source.modality, PRETRAINED[sources.Modality.IMAGE])
    steps, batch_size, rate = SCRATCH if untrained else pretrained
    stage = 0 if untrained else round(float(params["depth"]) * stages)
    frozen, headed = kind.after(backbone, stage, K, task.device, seed=seed)
    if kind is networks.HeadedSuffix and not untrained and task.source.modality in FROM_PROBE:
        headed.set_head(heads.fit_logistic(task.features(task.train), task.train.labels, K))
    return headed, Plan(
        frozen=frozen,
        steps=max(1, round(steps * float(params["effort"]))),
        batch_size=max(2, min(batch_size, num_images)),
        learning_rate=rate * float(params["learning_rate_multiplier"]),
        keep=not untrained and num_images < FEW_IMAGES,
        weight_decay=WEIGHT_DECAY * float(params["regularisation"]),
        layers=Layers(stages, 0 if untrained else stages, stages - frozen),
    )


def repeated(
    labels: NDArray[np.int64], plan: Plan, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the labels and the positions of all images that the steps show.

    The loop counts in passes over the images, the methods here in steps: so one long pass
    shows every image as often as the steps allow.
    """
    order = training.Cycle(len(labels), seed).next(plan.steps * plan.batch_size)
    return labels[order], order


def take_statistics(domains: Domains) -> None:
    """Give batch norm the statistics of target images."""
    target, plan = domains.target, domains.plan
    if target is not None and not plan.keep:
        networks.adapt_statistics_to(
            domains.headed.suffix, target, plan.batch_size, STATISTICS_IMAGES
        )


def interleaved(n: int, batch_size: int) -> list[NDArray[np.int64]]:
    """Return n positions in batches, each of which has some from everywhere.

    Images often come sorted by class. The statistics of a batch of one class are not those of
    the domain: their variance lacks what lies between classes.
    """
    count = math.ceil(n / max(batch_size, 2))
    return [np.arange(start, n, count, dtype=np.int64) for start in range(count)]
