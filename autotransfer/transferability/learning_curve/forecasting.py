"""From curves to figures: what some more labels bring, and how many a goal needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from autotransfer.forecasts import LabelForecast, More, Overtaking, Range
from autotransfer.transferability.learning_curve.power_law import LEVEL, LearningCurve, fitted
from autotransfer.transferability.learning_curve.subsampling import Subsampled

GOALS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
WORTH_A_GOAL = 0.01  # of accuracy: a goal nearer than this is as good as reached
FARTHEST = 20.0  # times the labels of today; what needs more is out of reach
STEPS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
LEAST_STEP, NUM_STEPS = 0.2, 3  # times the labels of today
SETTLING = 50.0  # times the labels of today


def forecast_labels(
    measured: Subsampled,
    num_sources: int,
    rivals: Mapping[str, LearningCurve] | None = None,
    further: int | None = None,
) -> LabelForecast:
    """Return what more labels would buy.

    Args:
        measured: Accuracies of probes on all sources at several numbers of labels.
        num_sources: How many they are.
        rivals: Curves of what may overtake them, by what it is called.
        further: A number of further labels that is told of; None for some round ones.
    """
    curve, n = fitted(measured), measured.num_labels
    now = curve.accuracies([n])[:, 0]
    goal = next((g for g in GOALS if g > np.median(now) + WORTH_A_GOAL), 1.0)
    grid = n * np.geomspace(1, FARTHEST, 200)
    along = curve.accuracies(grid)
    return LabelForecast(
        labels=n,
        tested=measured.hits.shape[1],
        sources=num_sources,
        sizes=tuple(measured.sizes.tolist()),
        measured=tuple(measured.accuracy.tolist()),
        accuracy=interval(now),
        more=tuple(gain_of(curve, n, step) for step in ((further,) if further else steps(n))),
        goal=goal,
        needed=_needed(along, grid, goal, n),
        overtaken=tuple(
            _overtaking(name, along, rival.accuracies(grid), grid)
            for name, rival in (rivals or {}).items()
        ),
    )


def steps(n: int) -> Sequence[int]:
    """Return some numbers of further labels, the first a fifth of those of today or more."""
    first = next((i for i, step in enumerate(STEPS) if step >= LEAST_STEP * n), len(STEPS) - 1)
    return STEPS[first : first + NUM_STEPS]


def gain_of(curve: LearningCurve, n: int, further: int) -> More:
    """Return what so many further labels are expected to bring."""
    both = curve.accuracies([n, n + further])
    return More(further, interval(both[:, 1]), interval(both[:, 1] - both[:, 0]))


def interval(draws: NDArray[np.float64]) -> Range:
    """Return the median of draws and their 90 % interval."""
    low, middle, high = np.quantile(draws, [LEVEL, 0.5, 1 - LEVEL])
    return Range(float(middle), float(low), float(high))


def settling(
    curve: LearningCurve,
    rival: LearningCurve,
    n: int,
    gap: float,
    *,
    detectable: float,
    least: float,
) -> int | None:
    """Return how many labels in all would settle the verdict by both curves; None for too many.

    With m labels a gap of `detectable` times the root of n / m is found four times out of five;
    the verdict is settled where the gap, which grows as the curves do, or what counts as none, is
    as large.

    Args:
        curve: Of the transfer.
        rival: Of the best without a source.
        n: Labels of today.
        gap: That was measured.
        detectable: The gap that n labels find four times out of five.
        least: The gap that counts as no difference.
    """
    grid = n * np.geomspace(1, SETTLING, 400)
    apart = np.median(curve.accuracies(grid), axis=0) - np.median(rival.accuracies(grid), axis=0)
    expected = np.abs(gap + apart - apart[0])
    enough = detectable * np.sqrt(n / grid) <= np.maximum(expected, least)
    return rounded(float(grid[int(np.argmax(enough))])) if enough.any() else None


def rounded(number: float) -> int:
    """Return a number to two digits, upwards."""
    step = 10 ** max(int(np.floor(np.log10(max(number, 1.0)))) - 1, 0)
    return int(np.ceil(number / step) * step)


def _needed(
    along: NDArray[np.float64], grid: NDArray[np.float64], goal: float, n: int
) -> Range | None:
    """Return the further labels at which the curves reach a goal; an end of the grid is open."""
    reached = along >= goal
    first = np.where(reached.any(axis=1), reached.argmax(axis=1), -1)
    labels = np.where(first >= 0, grid[first], np.inf)
    low, middle, high = np.quantile(labels, [LEVEL, 0.5, 1 - LEVEL], method="higher")
    if not np.isfinite(middle):
        return None
    farthest = FARTHEST * n
    found = (min(max(value - n, 0.0), farthest) for value in (middle, low, high))
    return Range(*(float(rounded(value)) for value in found))


def _overtaking(
    name: str, ours: NDArray[np.float64], theirs: NDArray[np.float64], grid: NDArray[np.float64]
) -> Overtaking:
    ahead = theirs > ours  # (B, M): pairs of draws
    likely = float(ahead.any(axis=1).mean())
    middle = np.median(theirs, axis=0) > np.median(ours, axis=0)
    labels = rounded(float(grid[middle.argmax()])) if middle.any() else None
    return Overtaking(name, labels, likely)
