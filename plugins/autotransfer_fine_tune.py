"""Fine-tune depth: which stages are copied, which stay frozen, which learn, and what is kept.

The output of the frozen stages is computed once for each picture and view of it, so a step costs
only the part that learns. By default the head starts from the ridge probe on the same features:
linear probing, then fine-tuning, keeps the first steps from distorting the features (Kumar et
al., ICLR 2022). Ways to conserve the source are choices, `none` among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from autotransfer import hookimpl
from autotransfer.backbone import Backbone, fresh_backbone
from autotransfer.conservation import (
    FeatureMaps,
    StartingPoint,
    class_relationship,
    co_tuning_loss,
    distillation_loss,
    interpolate,
    relational_loss,
)
from autotransfer.data.views import MIRROR, PLAIN, View
from autotransfer.errors import CutError
from autotransfer.heads import LinearHead, fit_ridge
from autotransfer.predictors import HeadedSuffix, NetworkPredictor, restore_network
from autotransfer.problem import Json, Need, ParamValue, Source
from autotransfer.space import (
    SearchSpace,
    choice,
    depth,
    floating,
    integer,
    learning_rate_multiplier,
    regularisation,
)
from autotransfer.strategy import Layers, Predictor, Strategy, Task, TaskInfo, Trial
from autotransfer.training import Limits, Objective, Schedule, Step, mixed, train

LEARNING_RATES = {"adamw": 3e-4, "sgd": 1e-2}  # of the tuned layers
WEIGHT_DECAY = 1e-2
SMALL_BATCHES = 200  # with fewer pictures batch statistics are noise: keep the source's
CACHED_VIEWS = 4  # of each picture, where a frozen prefix makes a view worth keeping
MIXUP = 0.2
CONSERVATION = ("none", "l2-sp", "distillation", "delta", "rkd", "co-tuning")
# strength 1 of each, in units of the cross-entropy (of the weight per step for l2-sp)
_UNITS = {"l2-sp": 10.0, "distillation": 0.5, "delta": 1.0, "rkd": 1.0, "co-tuning": 1.0}


class FineTune(Strategy):
    """Copy stages, freeze the first, tune the others with AdamW or SGD."""

    name = "fine-tune"
    needs = frozenset({Need.TARGET_LABELS})
    least_per_class = 5  # below, a probe and the choice of its stage are all that labels can pay

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of(
            depth=depth(default=0.7),
            learning_rate_multiplier=learning_rate_multiplier(),
            regularisation=regularisation(),
            epochs=integer(3, 30, default=8, log=True),
            augmentation=choice(("none", "flip", "crop", "colour"), default="none"),
            warm_start=choice(("probe", "none"), default="probe"),
            head_multiplier=choice((1.0, 3.0, 10.0), default=1.0),
            window=choice(("to the end", "one stage"), default="to the end"),
            copied=floating(0.0, 1.0, default=1.0),
            tuned=choice(("all", "biases and norms"), default="all"),
            layer_decay=floating(0.5, 1.0, default=1.0),
            optimiser=choice(("adamw", "sgd"), default="adamw"),
            label_smoothing=choice((0.0, 0.1), default=0.0),
            mixup=choice((False, True), default=False),
            conservation=choice(CONSERVATION, default="none"),
            conservation_strength=floating(0.01, 100.0, default=1.0, log=True),
            back_to_source=floating(0.0, 1.0, default=0.0),
        )

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        params, backbone = trial.params, task.backbone()
        plan, network = _prepared(task, backbone, params, trial.seed)
        start = {name: value.clone() for name, value in network.state_dict().items()}

        def snapshot() -> Predictor:
            return NetworkPredictor.of(
                network, task.source, frozen=plan.frozen, layers=plan.layers
            )

        kept = _Conservation.of(task, backbone, network, plan, params)
        with kept.watched:
            train(
                network,
                _Batches(task, plan.frozen, str(params["augmentation"])),
                task.train.labels,
                _schedule(params, len(task.train)),
                seed=trial.seed,
                limits=Limits(trial.deadline),
                head=list(network.head.parameters()),
                on_rung=lambda progress: trial.report(progress, snapshot()),
                objective=_objective(network, params, kept),
                after_step=kept.after_step,
                rate_of=plan.rate_of(float(params["layer_decay"])),
            )
        interpolate(network, start, float(params["back_to_source"]))
        return snapshot()

    @override
    def restore(
        self, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
    ) -> Predictor:
        return restore_network(tensors, info, source)


@dataclass(frozen=True)
class _Plan:
    """Which stages do what.

    Args:
        frozen: Number of stages at the bottom that are frozen, 0..S-1.
        last: Last stage that is tuned, frozen+1..S.
        copied: Number of stages that start from the source's weights, frozen..S.
        num_stages: S.
        stage_of: Stage of each parameter and statistic of the network that is trained.
    """

    frozen: int
    last: int
    copied: int
    num_stages: int
    stage_of: Mapping[str, int]

    @property
    def layers(self) -> Layers:
        return Layers(self.num_stages, self.copied, self.last - self.frozen)

    def rate_of(self, decay: float) -> Callable[[str], float]:
        """Return the learning rate by parameter: one decay for each stage below the last."""

        def rate(name: str) -> float:
            return decay ** (self.num_stages - self.stage_of.get(name, self.num_stages))

        return rate


def _prepared(
    task: Task, backbone: Backbone, params: Mapping[str, ParamValue], seed: int
) -> tuple[_Plan, HeadedSuffix]:
    """Return the plan, and the network before its first step."""
    frozen, suffix = _cut(backbone, float(params["depth"]))
    network = HeadedSuffix(suffix, backbone.num_features, len(task.class_names), seed=seed)
    S = backbone.num_stages
    last = frozen + 1 if params["window"] == "one stage" else S
    copied = max(round(float(params["copied"]) * S), frozen)
    plan = _Plan(frozen, last, copied, S, _stages(backbone, network, frozen))
    if copied < S:
        _make_fresh(network, fresh_backbone(task.source, seed), plan)
    elif params["warm_start"] == "probe":
        network.set_head(_probe(task))
    for name, parameter in network.named_parameters():
        inside = name.startswith("head.") or frozen < plan.stage_of.get(name, S) <= last
        vector = parameter.ndim == 1 or name.startswith("head.")
        parameter.requires_grad_(inside and (params["tuned"] == "all" or vector))
    return plan, network.to(task.device)


def _cut(backbone: Backbone, depth: float) -> tuple[int, nn.Module]:
    """Return the number of frozen stages and the layers after them.

    At least one stage learns. Where the network cannot be cut there, nothing is frozen.
    """
    frozen = min(round(depth * backbone.num_stages), backbone.num_stages - 1)
    try:
        return frozen, backbone.suffix(frozen)
    except CutError:
        return 0, backbone.suffix(0)


def _stages(backbone: Backbone, network: HeadedSuffix, frozen: int) -> dict[str, int]:
    """Return the stage of every tensor: the first stage after which it is no longer needed.

    Where the network cannot be cut after a stage, what lies there counts to the next one.
    """
    names = set(network.suffix.state_dict())
    stage_of = dict.fromkeys(names, backbone.num_stages)
    for stage in range(backbone.num_stages - 1, frozen, -1):
        try:
            later = set(backbone.suffix(stage).state_dict())
        except CutError:
            continue
        stage_of.update(dict.fromkeys(names - later, stage))
    return {f"suffix.{name}": stage for name, stage in stage_of.items()}


def _make_fresh(network: HeadedSuffix, fresh: Backbone, plan: _Plan) -> None:
    """Replace what comes after the copied stages by weights that were never trained."""
    state, new = network.state_dict(), fresh.network.state_dict()
    with torch.no_grad():
        for name, value in state.items():
            if plan.stage_of.get(name, 0) > plan.copied:
                value.copy_(new[name.removeprefix("suffix.network.")])


def _probe(task: Task) -> LinearHead:
    return fit_ridge(task.features(task.train), task.train.labels, len(task.class_names))


class _Batches:
    """The inputs of the first tuned layer, each picture in one of its views."""

    def __init__(self, task: Task, frozen: int, augmentation: str) -> None:
        self._task, self._frozen, self._kind = task, frozen, augmentation
        views = [PLAIN]
        if augmentation == "flip":
            views = [PLAIN, MIRROR]
        elif augmentation != "none":
            views = [PLAIN, *(View(augmentation, number) for number in range(CACHED_VIEWS))]
        self._views = [task.features.inputs(task.train, frozen, view=view) for view in views]

    def __call__(self, positions: NDArray[np.int64], generator: np.random.Generator) -> Tensor:
        if len(self._views) == 1:
            return self._views[0].batch(positions)
        if not self._frozen and self._kind != "flip":  # nothing to keep: a fresh view each time
            view = View(self._kind, int(generator.integers(1 << 31)))
            return self._task.features.inputs(self._task.train, 0, view=view).batch(positions)
        drawn = generator.integers(len(self._views), size=len(positions))
        order = np.argsort(np.argsort(drawn, kind="stable"))
        parts = [
            inputs.batch(positions[drawn == number])
            for number, inputs in enumerate(self._views)
            if (drawn == number).any()
        ]
        return torch.cat(parts)[torch.from_numpy(order)]


def _schedule(params: Mapping[str, ParamValue], num_images: int) -> Schedule:
    optimiser, pulled = str(params["optimiser"]), params["conservation"] == "l2-sp"
    decay = WEIGHT_DECAY * float(params["regularisation"])
    return Schedule(
        epochs=int(params["epochs"]),
        learning_rate=LEARNING_RATES[optimiser] * float(params["learning_rate_multiplier"]),
        head_multiplier=float(params["head_multiplier"]),
        weight_decay=0.0 if pulled else decay * (1.0 if optimiser == "adamw" else 0.1),
        optimiser=optimiser,
        label_smoothing=float(params["label_smoothing"]),
        keep_batch_statistics=num_images < SMALL_BATCHES,
    )


@dataclass(frozen=True)
class _Conservation:
    """What is added to the loss, and done after each step, to keep what the source knows.

    Args:
        penalty: From the step and the (b, d) features to a scalar; None adds nothing.
        after_step: Called with the learning rate of the step.
        watched: Entered while the network trains.
    """

    penalty: Callable[[Step, Tensor], Tensor] | None = None
    after_step: Callable[[float], None] | None = None
    watched: AbstractContextManager[object] = field(default_factory=nullcontext)

    @classmethod
    def of(
        cls,
        task: Task,
        backbone: Backbone,
        network: HeadedSuffix,
        plan: _Plan,
        params: Mapping[str, ParamValue],
    ) -> _Conservation:
        """Return the conservation that was chosen.

        Raises:
            UndefinedScoreError: If it needs the source's classifier and there is none.
        """
        kind = str(params["conservation"])
        if kind == "none":
            return cls()
        strength = _UNITS[kind] * float(params["conservation_strength"])
        if kind == "l2-sp":
            tuned = [p for p in network.suffix.parameters() if p.requires_grad]
            start = StartingPoint(tuned)
            return cls(after_step=lambda rate: start.pull(rate * strength))
        if kind == "delta":
            names = [
                f"network.{stage.module}"
                for stage in backbone.stages[plan.frozen :]
                if f"network.{stage.module}" in dict(network.suffix.named_modules())
            ]
            maps = FeatureMaps(network.suffix, names)
            return cls(lambda step, _: strength * maps.distance(step.inputs), None, maps.watched())
        penalty = _rkd(task) if kind == "rkd" else _by_head(kind, task, backbone)
        return cls(lambda step, features: strength * penalty(step, features))


def _rkd(task: Task) -> Callable[[Step, Tensor], Tensor]:
    source = torch.from_numpy(task.features(task.train)).to(task.device)
    return lambda step, features: relational_loss(features, source[step.positions])


def _by_head(kind: str, task: Task, backbone: Backbone) -> Callable[[Step, Tensor], Tensor]:
    """Return what compares the source's own classes with what its head, frozen, says now."""
    classifier = backbone.classifier().to(task.device)
    probabilities = task.features.probabilities(task.train)
    if kind == "distillation":
        wanted = torch.from_numpy(probabilities).to(task.device)
        return lambda step, features: distillation_loss(
            classifier(features), wanted[step.positions]
        )
    related = torch.from_numpy(
        class_relationship(probabilities, task.train.labels, len(task.class_names))
    ).to(task.device)
    return lambda step, features: co_tuning_loss(classifier(features), related, step.targets)


def _objective(
    network: HeadedSuffix, params: Mapping[str, ParamValue], kept: _Conservation
) -> Objective:
    """Return cross-entropy, mixed where nothing is compared picture by picture, and the rest."""
    alpha = MIXUP if params["mixup"] and kept.penalty is None else 0.0
    smoothing = float(params["label_smoothing"])

    def objective(step: Step) -> Tensor:
        inputs, targets, others, share = mixed(step, alpha)
        features = network.features(inputs)
        logits = network.head(features)
        loss = nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing)
        if share < 1.0:
            other = nn.functional.cross_entropy(logits, others, label_smoothing=smoothing)
            loss = share * loss + (1 - share) * other
        return loss if kept.penalty is None else loss + kept.penalty(step, features)

    return objective


@hookimpl
def autotransfer_strategies() -> list[Strategy]:
    """Offer the strategy."""
    return [FineTune()]
