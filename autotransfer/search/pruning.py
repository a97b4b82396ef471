"""When a trial is not worth finishing: clearly worse than its equals, item by item.

A step is a rung of the strategy's own budget within a fold, so it means the same for every
trial of a strategy. What is compared is the calibrated log loss on the same validation items,
in pairs: with eighty items the accuracies of two trials differ by chance by five points, their
paired losses by far less.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from autotransfer.models.heads.linear import inverse_temperature

RUNGS_PER_FOLD = 3  # 1/9, 1/3 and 1 of a trial's own budget
PRUNED_FOLDS = 1  # trials are stopped in the first fold alone
KEPT_SHARE = 2  # one in two goes on: the reduction factor of successive halving
ERRORS = 2.0  # standard errors by which a trial must be worse
LEAST_KNOWN = 3  # trials that a step has seen before anything is stopped there
_REACH = 3.0  # natural logarithm of the temperatures that are considered, either way
_TINY = 1e-12

Losses = Mapping[int, NDArray[np.float32]]  # step -> (n,) calibrated losses


def step_of(fold: int, rung: int) -> int:
    """Return the step of a rung (0, 1 or 2) within a fold."""
    return fold * RUNGS_PER_FOLD + rung


def calibrated_losses(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the (n,) log losses after temperature scaling, in nats.

    The one temperature is fitted on the same items. An early rung is compared for what it
    tells apart, not for how sure of itself it already is.

    Args:
        labels: (n,) classes in [0, K).
        probabilities: (n, K), rows that sum to one.

    References:
        Guo et al., On calibration of modern neural networks, ICML 2017, section 4.2.
    """
    logs = np.log(np.maximum(probabilities, _TINY))  # (n, K)
    sharpened = inverse_temperature(logs, labels, reach=_REACH) * logs
    likely = log_softmax(sharpened, axis=1)[np.arange(len(labels)), labels]
    return (-likely).astype(np.float32)


def rivals(known: Iterable[Losses], steps: int) -> tuple[NDArray[np.float32] | None, ...]:
    """Return whom a trial has to keep up with at each step.

    It is the worst of the best half of those that were seen at the step (successive halving,
    asynchronous: Li et al., A system for massively parallel hyperparameter tuning, MLSys 2020).
    The rungs of the first fold are a 27th, a ninth and a third of three folds: each goes three
    times as far as the one before. Later folds stop nobody: those who are left differ little,
    and the best half of the best half at every one of eight steps is nobody in the end. The
    figures are in `docs/benchmarks/search.md`.

    Args:
        known: The losses of earlier trials of the same strategy.
        steps: Number of steps of a trial.

    Returns:
        (n,) losses at each step; None in later folds, and where fewer than three are known.
    """
    earlier = list(known)
    found: list[NDArray[np.float32] | None] = []
    for step in range(steps):
        if step >= PRUNED_FOLDS * RUNGS_PER_FOLD:
            found.append(None)
            continue
        seen = sorted((one[step] for one in earlier if step in one), key=lambda x: float(x.mean()))
        found.append(seen[len(seen) // KEPT_SHARE - 1] if len(seen) >= LEAST_KNOWN else None)
    return tuple(found)


def clearly_worse(
    losses: NDArray[np.float32], rival: NDArray[np.float32], *, errors: float = ERRORS
) -> bool:
    """Return whether the losses exceed the rival's, in pairs, by so many standard errors."""
    if len(losses) != len(rival) or len(losses) < 2:
        return False
    differences = losses.astype(np.float64) - rival
    error = differences.std(ddof=1) / math.sqrt(len(differences))
    return bool(differences.mean() > errors * error)


def stored(losses: Losses) -> dict[str, list[float]]:
    """Return losses as plain values for JSON, to a ten-thousandth of a nat."""
    return {str(step): [round(float(x), 4) for x in values] for step, values in losses.items()}


def restored(values: Mapping[str, Sequence[float]]) -> Losses:
    """Return the losses whose `stored` this is."""
    return {int(step): np.array(x, dtype=np.float32) for step, x in values.items()}
