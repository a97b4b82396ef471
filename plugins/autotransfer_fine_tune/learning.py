"""What the training loop sees of a network: the network itself, or low-rank changes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from torch import Tensor, nn
from typing_extensions import override

from autotransfer.plugin import networks
from autotransfer_fine_tune.plan import HEAD, LOW_RANK, VECTORS, Plan
from autotransfer_fine_tune.regularisers import LowRank


@dataclass(frozen=True)
class Learner:
    """What is trained, and how its changes come into the network that is shown and kept.

    Args:
        network: For the training loop.
        rate_of: Learning rate of its parameters by name, in units of the schedule's.
        merged: Entered while the plain network has the changes.
        merge: Puts them in for good.
        held: Parameters by name that L2-SP draws back to where they are now; what else learns
            of the source, as biases beside weights, is left alone.
        copied: The network without low-rank changes, whose modules can be watched.
    """

    network: networks.HeadedSuffix
    rate_of: Callable[[str], float]
    held: Mapping[str, nn.Parameter]
    copied: networks.HeadedSuffix
    merged: Callable[[], AbstractContextManager[object]] = nullcontext
    merge: Callable[[], None] = lambda: None


def learner(network: networks.HeadedSuffix, plan: Plan, decay: float, seed: int) -> Learner:
    """Return what is trained.

    Args:
        network: Before its first step; keeps its head, and its names.
        plan: Which stages change, and how.
        decay: Of the learning rate for each stage below the last.
        seed: Seeds low-rank changes.
    """
    rate_of = plan.rate_of(decay)
    if plan.tuned != LOW_RANK:
        held = {
            name: parameter
            for name, parameter in network.named_parameters()
            if parameter.requires_grad
            and (parameter.ndim > 1 or plan.tuned == VECTORS)
            and not (name.startswith(HEAD) or plan.is_fresh(name))
        }
        return Learner(network, rate_of, held, network)
    prefix = "suffix."
    changed = LowRank(network.suffix, lambda name: plan.may_change(prefix + name), seed=seed)
    shown = networks.HeadedSuffix(changed, network.head.in_features, network.head.out_features)
    shown.head = network.head

    def rate(name: str) -> float:
        if not name.startswith(prefix):
            return rate_of(name)
        return rate_of(prefix + changed.weight_of(name.removeprefix(prefix)))

    # B draws the change B A to its start, zero, at the pace at which weights are drawn to theirs.
    held = {f"{prefix}up.{number}": up for number, up in enumerate(changed.up)}
    return Learner(shown, rate, held, network, changed.merged, changed.merge)


class Trained(nn.Module):
    """The network and what learns beside it, so that one optimiser has both."""

    def __init__(self, network: networks.HeadedSuffix, beside: nn.Module) -> None:
        super().__init__()
        self.network, self.beside = network, beside

    @override
    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.network(inputs)
        return logits
