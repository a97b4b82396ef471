"""Which stages are copied, which stay frozen, which learn: the network before its first step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from autotransfer.plugin import Backbone, Layers, ParamValue, Task, errors, heads, networks
from autotransfer_fine_tune.modalities import terms_of

HEAD = "head."
VECTORS, LOW_RANK = "biases and norms", "low rank"
TUNED = ("all", VECTORS, LOW_RANK)


@dataclass(frozen=True)
class Plan:
    """Which stages do what.

    Args:
        frozen: Number of stages at the bottom that are frozen, 0..S-1.
        last: Last stage of the window that is tuned, frozen+1..S.
        copied: Number of stages that start from the source's weights, frozen..S.
        num_stages: S.
        stage_of: Stage of each parameter and statistic of the network that is trained.
        tuned: What copied stages learn, one of `TUNED`.
    """

    frozen: int
    last: int
    copied: int
    num_stages: int
    stage_of: Mapping[str, int]
    tuned: str = "all"

    @property
    def layers(self) -> Layers:
        """Return what to report; stages that start fresh are among the tuned ones."""
        tuned = sum(self._learns(stage) for stage in range(self.frozen + 1, self.num_stages + 1))
        return Layers(self.num_stages, self.copied, tuned)

    def is_fresh(self, name: str) -> bool:
        """Return whether the tensor starts from random weights; the head is not asked for."""
        return self.stage_of.get(name, 0) > self.copied

    def learns(self, name: str, parameter: nn.Parameter) -> bool:
        """Return whether a parameter is trained: the head, the window, and whatever is fresh."""
        if name.startswith(HEAD):
            return True
        vector = self.tuned == VECTORS and parameter.ndim == 1
        return self.in_window(name) and (self.tuned == "all" or vector or self.is_fresh(name))

    def in_window(self, name: str) -> bool:
        """Return whether a tensor belongs to a stage that is tuned or starts fresh."""
        return self._learns(self.stage_of.get(name, self.num_stages))

    def may_change(self, name: str) -> bool:
        """Return whether a low-rank change of the tensor may be learnt."""
        return name.startswith("suffix.") and self.in_window(name) and not self.is_fresh(name)

    def rate_of(self, decay: float) -> Callable[[str], float]:
        """Return the learning rate by parameter: one decay for each stage below the last."""

        def rate(name: str) -> float:
            return decay ** (self.num_stages - self.stage_of.get(name, self.num_stages))

        return rate

    def _learns(self, stage: int) -> bool:
        return self.frozen < stage <= self.last or stage > self.copied


def prepared(
    task: Task, backbone: Backbone, params: Mapping[str, ParamValue], seed: int
) -> tuple[Plan, networks.HeadedSuffix]:
    """Return the plan, and the network before its first step, on the task's device.

    What is frozen is copied, whatever `copied` says. The head starts from the probe only where
    the features it was fitted on are those that the network puts out.
    """
    frozen, suffix = backbone.cut(round(float(params["depth"]) * backbone.num_stages))
    network = networks.HeadedSuffix(
        suffix, backbone.num_features, len(task.class_names), seed=seed
    )
    S = backbone.num_stages
    plan = Plan(
        frozen=frozen,
        last=frozen + 1 if params["window"] == "one stage" else S,
        copied=max(round(float(params["copied"]) * S), frozen),
        num_stages=S,
        stage_of=_stages(backbone, network, frozen),
        tuned=str(params["tuned"]),
    )
    if plan.copied < S:
        _make_fresh(network, networks.fresh_backbone(task.source, seed), plan)
    elif params["warm_start"] == "probe":
        network.set_head(probe(task))
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(plan.learns(name, parameter))
    return plan, network.to(task.device)


def probe(task: Task) -> heads.LinearHead:
    """Return the probe on the last stage of the source, from cached features."""
    fit = terms_of(task.source).probe
    return fit(task.features(task.train), task.train.labels, len(task.class_names))


def _stages(backbone: Backbone, network: networks.HeadedSuffix, frozen: int) -> dict[str, int]:
    """Return the stage of every tensor: the first stage after which it is no longer needed.

    Where the network cannot be cut after a stage, what lies there counts to the next one.
    """
    names = set(network.suffix.state_dict())
    stage_of = dict.fromkeys(names, backbone.num_stages)
    for stage in range(backbone.num_stages - 1, frozen, -1):
        try:
            later = set(backbone.suffix(stage).state_dict())
        except errors.CutError:
            continue
        stage_of.update(dict.fromkeys(names - later, stage))
    return {f"suffix.{name}": stage for name, stage in stage_of.items()}


def _make_fresh(network: networks.HeadedSuffix, fresh: Backbone, plan: Plan) -> None:
    """Replace what comes after the copied stages by weights that were never trained."""
    new = fresh.network.state_dict()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if plan.is_fresh(name):
                value.copy_(new[name.removeprefix("suffix.network.")])
