"""What is added to the loss, and done after each step, to keep what the source knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from autotransfer.plugin import Backbone, ParamValue, Task, networks, training
from autotransfer_fine_tune.learning import Learner
from autotransfer_fine_tune.plan import HEAD, Plan, probe
from autotransfer_fine_tune.regularisers import (
    FeatureMaps,
    StartingPoint,
    calibrated,
    class_relationship,
    co_tuning_loss,
    distillation_loss,
    interpolate,
    relational_loss,
)

MIXUP = 0.2
# of L2-SP at strength 1: share of the way back to the source that one step at the peak rate goes
PULL = 3e-3
# strength 1 of the others, in units of the cross-entropy
_UNITS = {"distillation": 0.5, "delta": 1.0, "rkd": 1.0, "co-tuning": 1.0}

Penalty = Callable[[training.Step, Tensor], Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """One way to conserve the source, ready for the training loop.

    Args:
        penalty: From the step and the (b, d) features to a scalar; None adds nothing.
        after_step: Called with the learning rate of the step.
        decay_of: Weight decay of a parameter by its name, in units of the schedule's.
        beside: What learns beside the network and is thrown away.
        watched: Entered while the network trains.
    """

    penalty: Penalty | None = None
    after_step: Callable[[float], None] | None = None
    decay_of: Callable[[str], float] = lambda _name: 1.0
    beside: nn.Module = field(default_factory=nn.Identity)
    watched: AbstractContextManager[object] = field(default_factory=nullcontext)


def conserved(
    task: Task,
    backbone: Backbone,
    learns: Learner,
    plan: Plan,
    params: Mapping[str, ParamValue],
    *,
    learning_rate: float,
) -> Checkpoint:
    """Return the conservation that was chosen; strength 0 is none.

    Args:
        task: Gives what the source says of the training images.
        backbone: The source.
        learns: What is trained, before its first step.
        plan: Only what is copied is held.
        params: Of the trial.
        learning_rate: Peak rate at multiplier 1, the unit of L2-SP.

    Raises:
        UndefinedScoreError: If it needs the source's classifier and there is none.
    """
    kind, strength = str(params["conservation"]), float(params["conservation_strength"])
    if kind == "none" or strength == 0.0:
        return Checkpoint()
    nothing = not learns.held if kind == "l2-sp" else plan.copied <= plan.frozen
    if kind in ("l2-sp", "delta") and nothing:
        training.remark(f"{kind} had no effect: no copied stage learns")
        return Checkpoint()
    if kind == "l2-sp":
        return _pulled(learns, strength * PULL / learning_rate)
    strength *= _UNITS[kind]
    if kind == "delta":
        return _maps(backbone, learns.copied, plan, strength)
    beside: nn.Module = nn.Identity()
    if kind == "rkd":
        compared = _relations(task)
    else:
        beside = backbone.classifier().to(task.device)
        compared = _by_head(kind, task, beside)
    return Checkpoint(lambda step, features: strength * compared(step, features), beside=beside)


def _pulled(learns: Learner, alpha: float) -> Checkpoint:
    """Return L2-SP: copied weights go back to the source, all others decay as they would."""
    start = StartingPoint(list(learns.held.values()), [learns.rate_of(n) for n in learns.held])
    return Checkpoint(
        after_step=lambda rate: start.pull(rate * alpha),
        decay_of=lambda name: 0.0 if name in learns.held else 1.0,
    )


def _maps(
    backbone: Backbone, network: networks.HeadedSuffix, plan: Plan, strength: float
) -> Checkpoint:
    """Return DELTA over the copied stages after the frozen ones."""
    names = [
        "" if stage.pooled else f"network.{stage.module}"
        for stage in backbone.stages[plan.frozen : plan.copied]
    ]
    modules = dict(network.suffix.named_modules())  # a network that is not cut may name none
    watched = dict.fromkeys(name if name in modules else "" for name in names)
    maps = FeatureMaps(network.suffix, list(watched))
    return Checkpoint(
        lambda step, _features: strength * maps.distance(step.inputs), watched=maps.watched()
    )


def _relations(task: Task) -> Penalty:
    source = torch.from_numpy(task.features(task.train)).to(task.device)
    return lambda step, features: relational_loss(features, source[step.positions])


def _by_head(kind: str, task: Task, classifier: nn.Module) -> Penalty:
    """Return what compares the source's own classes with what its classifier says now.

    The classifier stays as it is for distillation, and learns for Co-Tuning.
    """
    probabilities = task.features.probabilities(task.train)
    if kind == "distillation":
        wanted = torch.from_numpy(probabilities).to(task.device)
        return lambda step, features: distillation_loss(
            classifier(features), wanted[step.positions]
        )
    classifier.requires_grad_(requires_grad=True)
    labels, K = task.train.labels, len(task.class_names)
    known = calibrated(probabilities, labels, K)
    related = torch.from_numpy(class_relationship(known, labels, K)).to(task.device)
    return lambda step, features: co_tuning_loss(classifier(features), related, step.targets)


def objective(
    network: networks.HeadedSuffix, params: Mapping[str, ParamValue], penalty: Penalty | None
) -> training.Objective:
    """Return cross-entropy, of mixed images where that is chosen, and what keeps the source.

    What the source says is known of the images as they are: these pass as well, after the mixed.
    """
    alpha = MIXUP if params["mixup"] else 0.0
    smoothing = float(params["label_smoothing"])

    def loss(step: training.Step) -> Tensor:
        inputs, targets, others, share = training.mixed(step, alpha)
        features = network.features(inputs)
        logits = network.head(features)
        found = nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing)
        if share < 1.0:
            other = nn.functional.cross_entropy(logits, others, label_smoothing=smoothing)
            found = share * found + (1 - share) * other
        if penalty is None:
            return found
        return found + penalty(step, network.features(step.inputs) if alpha else features)

    return loss


class WayBack:
    """WiSE-FT: the tuned network, part of the way back to the source.

    The end at the source has the probe for a head, whatever the training started from. What
    started from random weights has no such end and stays as it was tuned; where nothing else
    learns, a remark of the trial says so.

    Args:
        task: Gives the probe.
        network: Before its first step.
        plan: Which tensors are copied.
        share: 0 is the tuned network, 1 the source with the probe.
    """

    def __init__(
        self, task: Task, network: networks.HeadedSuffix, plan: Plan, share: float
    ) -> None:
        self._network, self._share, self._end = network, share, {}
        if not share:
            return
        self._end = {
            name: value.clone()
            for name, value in network.state_dict().items()
            if not (name.startswith(HEAD) or plan.is_fresh(name))
        }
        if plan.copied == plan.num_stages:
            head = probe(task)
            for part in ("weight", "bias"):
                like = network.head.weight
                self._end[HEAD + part] = torch.from_numpy(getattr(head, part)).to(like)
        elif plan.copied <= plan.frozen:
            training.remark("back_to_source had no effect: no copied stage learns")

    def go(self) -> None:
        """Set the network part of the way back, in place."""
        if self._share:
            interpolate(self._network, self._end, self._share)

    @contextmanager
    def gone(self) -> Iterator[None]:
        """Show the network part of the way back, then let the training go on where it was."""
        now = {}
        if self._share:
            now = {name: value.clone() for name, value in self._network.state_dict().items()}
        self.go()
        try:
            yield
        finally:
            if now:
                self._network.load_state_dict(now)
