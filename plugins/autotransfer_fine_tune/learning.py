"""What the training loop sees of a network: the network itself, or low-rank changes of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from autotransfer.plugin import networks
from autotransfer_fine_tune.plan import LOW_RANK, Plan
from autotransfer_fine_tune.regularisers import LowRank


@dataclass(frozen=True)
class Learner:
    """What is trained, and how its changes come into the network that is shown and kept.

    Args:
        network: For the training loop.
        rate_of: Learning rate of its parameters by name, in units of the schedule's.
        merged: Entered while the plain network has the changes.
        merge: Puts them in for good.
    """

    network: networks.HeadedSuffix
    rate_of: Callable[[str], float]
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
        return Learner(network, rate_of)
    prefix = "suffix."
    changed = LowRank(network.suffix, lambda name: plan.may_change(prefix + name), seed=seed)
    shown = networks.HeadedSuffix(changed, network.head.in_features, network.head.out_features)
    shown.head = network.head

    def rate(name: str) -> float:
        if not name.startswith(prefix):
            return rate_of(name)
        return rate_of(prefix + changed.weight_of(name.removeprefix(prefix)))

    return Learner(shown, rate, changed.merged, changed.merge)
