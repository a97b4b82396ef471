"""What to expect while a search runs: the score so far, and what more time is likely to buy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autotransfer.models.metrics import Metric
from autotransfer.results import Outcome, State
from autotransfer.search.trial import best_of

_DRAWS = 500


def curve(outcomes: Sequence[Outcome]) -> list[tuple[float, float]]:
    """Return (seconds of the fit, best score so far) at every outcome that raised it."""
    found: list[tuple[float, float]] = []
    for outcome in sorted(outcomes, key=lambda o: o.elapsed):
        if outcome.state is not State.COMPLETE or outcome.value is None or outcome.unfit:
            continue
        if not found or outcome.value > found[-1][1]:
            found.append((outcome.elapsed, outcome.value))
    return found


def last_doubling(outcomes: Sequence[Outcome], seconds: float) -> float:
    """Return what the second half of the time so far has added to the best score.

    Learning curves of searches are close to straight lines in the logarithm of time, so the next
    doubling is likely to buy no more than the last one.
    """
    points = curve(outcomes)
    early = [value for at, value in points if at <= seconds / 2]
    if not points or not early:
        return math.inf
    return points[-1][1] - early[-1]


def interval(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], metric: Metric, *, seed: int
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a score over its validation items."""
    rng = np.random.default_rng(seed)
    n = len(labels)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=_DRAWS)
    scores = metric.resampled(labels, probabilities, weights)
    low, high = np.nanquantile(scores, [0.025, 0.975])
    return float(low), float(high)


def forecast_line(
    outcomes: Sequence[Outcome],
    bounds: tuple[float, float] | None,
    metric: Metric,
    *,
    seconds: float,
    seconds_left: float,
) -> str | None:
    """Return one line for the terminal, or None before the first answer.

    Args:
        outcomes: Everything that has finished.
        bounds: 95 % interval of the best score; None leaves it out.
        metric: What is maximised.
        seconds: Time spent.
        seconds_left: Time left for the search; infinity without a limit.
    """
    best = best_of(outcomes)
    if best is None or best.value is None:
        return None
    line = f"so far {metric.title} {metric.display(best.value):.3f}"
    if bounds is not None:
        low, high = sorted(metric.display(bound) for bound in bounds)
        line += f" (95 % interval {low:.3f} to {high:.3f}, before the test)"
    gain = last_doubling(outcomes, seconds)
    if math.isfinite(gain):
        line += (
            f"; the last doubling of the time bought {gain * metric.scale:.1f} {metric.unit}, the "
            "next is likely to buy no more"
        )
    if math.isfinite(seconds_left):
        line += f"; {max(seconds_left, 0) / 60:.1f} minutes left to search"
    return line
