"""What a forecast of labels can reach at best, from the record of small transfers alone.

    python -m tests.benchmarks.forecast_bounds

Forecasters that know what no user knows, from the sizes and to the sizes of `label_forecast.py`:

- *shape known*: the target's true curve but for its level (in log error), which is seen through
  how many of the items at hand a model of that accuracy tells wrong, and is drawn to the levels
  of other families;
- *level known*: today's true accuracy, told forward by the median slope of other families;
- *neither*: that fall, and the level through the items at hand;
- *half of the draws*: the true curve of five draws of the record tells the other five: the noise
  of the truth. That of the mean of all ten is half of it in logarithms.

Errors are medians in points, labels medians of the factor by which they are missed: over all
forecasts, and over those whose goal is `WORTHY` points or more above today. Where a curve is flat,
the labels that reach a goal just above today's accuracy are hardly defined.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tests.benchmarks.transfer_cells import WITH_JOINT
from tests.benchmarks.transfer_table import read_record

STEPS = ((5, 20), (5, 40), (10, 20), (10, 40), (20, 40))
WORTHY = 0.03  # of accuracy between today and the goal: less is no goal to anybody
FARTHEST = 40.0  # times the labels; a forecast that needs more counts as so many
LEAST_ERROR = 0.0025  # of the record: its accuracies are means over at most 400 items
LEAST_SLOPE = -0.02  # of a curve beyond its last size
REPEATS = 10  # counts, or halves, of each target
SHAPE, LEVEL, NEITHER, HALVES = "shape known", "level known", "neither", "half of the draws"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Log errors, straight in log labels between the sizes of the record and beyond them.

    Args:
        labels: (M,) logarithms, increasing.
        errors: (M,) logarithms, never increasing.
    """

    labels: Floats
    errors: Floats

    @classmethod
    def of(cls, labels: Sequence[float], errors: Sequence[float]) -> Curve:
        """Return the curve through some points; more labels never hurt."""
        order = np.argsort(labels)
        logs = np.log(np.maximum(np.array(errors)[order], LEAST_ERROR))
        return cls(np.log(np.array(labels)[order]), np.minimum.accumulate(logs))

    def __call__(self, labels: float | Floats) -> Floats:
        """Return log errors at some numbers of labels."""
        x = np.log(labels)
        (before, last), (higher, lowest) = self.labels[-2:], self.errors[-2:]
        slope = min((lowest - higher) / (last - before), LEAST_SLOPE)
        inside = np.interp(x, self.labels, self.errors)
        found: Floats = inside + slope * np.maximum(x - last, 0.0)
        return found


@dataclass(frozen=True)
class Known:
    """What the record says of a target.

    Args:
        family: Of the target.
        errors: (10,) shares of wrong answers by draw, by labels a class.
        labelled: Labels in all, by labels a class.
        num_classes: K.
    """

    family: str
    errors: Mapping[int, Floats]
    labelled: Mapping[int, float]
    num_classes: int

    def curve(self, draws: Sequence[int] | slice = slice(None)) -> Curve:
        """Return the mean curve of some draws."""
        sizes = list(self.errors)
        means = [float(self.errors[size][draws].mean()) for size in sizes]
        return Curve.of([self.labelled[size] for size in sizes], means)

    def log_error(self, size: int) -> float:
        """Return that of all draws."""
        return float(np.log(max(self.errors[size].mean(), LEAST_ERROR)))


@dataclass(frozen=True)
class Told:
    """A forecast beside what came; `gain` is what is gained from today to the goal.

    Args:
        error: Of the accuracy, in [0, 1].
        labels: That are said to reach the goal, as a multiple of those that do.
    """

    gain: float
    error: float
    labels: float


def known_targets() -> list[Known]:
    """Return what the record says of each target."""
    record = read_record()
    found = []
    for _, rows in record[record.kind == WITH_JOINT].groupby("target", observed=True):
        errors, labelled = {}, {}
        for size, part in rows.groupby("size", observed=True):
            errors[int(str(size))] = 1 - part.sort_values("draw").true_accuracy.to_numpy()
            labelled[int(str(size))] = float(part.labelled.mean())
        row = rows.iloc[0]
        found.append(Known(str(row.family), errors, labelled, int(row.classes)))
    return found


def told(now: float, then: float, wrong: tuple[float, float], forecast: Curve) -> Told:
    """Return a forecast beside what came.

    Args:
        now: Labels of today.
        then: Labels of the goal.
        wrong: True errors at both.
        forecast: The curve.
    """
    far = now * np.geomspace(1, FARTHEST, 400)
    reached = forecast(far) <= np.log(max(wrong[1], LEAST_ERROR))
    needed = far[reached.argmax()] if reached.any() else FARTHEST * now
    off = abs(float(np.exp(forecast(then))) - wrong[1])
    return Told(wrong[0] - wrong[1], off, float(needed / then))


def counted(one: Known, size: int, levels: Floats, rng: np.random.Generator) -> float:
    """Return the log error that a count of wrong items leaves likely, the median.

    Args:
        one: The target.
        size: Labels a class of today, as many as are counted.
        levels: Log errors of other targets at that size: mean and deviation are the prior.
        rng: Of the count.
    """
    n = round(one.labelled[size])
    wrong = int(rng.binomial(n, one.errors[size].mean()))
    grid = np.linspace(-8.0, np.log1p(-1 / one.num_classes), 800)
    likely = wrong * grid + (n - wrong) * np.log1p(-np.exp(grid))
    likely = likely - np.square((grid - levels.mean()) / levels.std()) / 2
    below = np.cumsum(np.exp(likely - likely.max()))
    return float(grid[np.argmax(below >= below[-1] / 2)])


def forecasts(targets: Sequence[Known]) -> Iterator[tuple[tuple[int, int], str, Told]]:
    """Yield the step, the forecaster and each of its forecasts."""
    rng = np.random.default_rng(0)
    for one in targets:
        for step in STEPS:
            if not set(step) <= set(one.errors):
                continue
            for who, found in _of_target(one, step, targets, rng):
                yield step, who, found


def _of_target(
    one: Known, step: tuple[int, int], targets: Sequence[Known], rng: np.random.Generator
) -> Iterator[tuple[str, Told]]:
    size, later = step
    others = [t for t in targets if t.family != one.family]
    levels = np.array([t.log_error(size) for t in others if size in t.errors])
    falls = [t.log_error(later) - t.log_error(size) for t in others if set(step) <= set(t.errors)]
    now, then = one.labelled[size], one.labelled[later]
    wrong = float(one.errors[size].mean()), float(one.errors[later].mean())
    true = one.curve()

    def straight(level: float) -> Curve:
        return Curve(np.log([now, then]), level + np.array([0.0, np.median(falls)]))

    yield LEVEL, told(now, then, wrong, straight(one.log_error(size)))
    for _ in range(REPEATS):
        level = counted(one, size, levels, rng)
        shifted = replace(true, errors=true.errors + level - true(now))
        yield SHAPE, told(now, then, wrong, shifted)
        yield NEITHER, told(now, then, wrong, straight(level))
        mine, other = np.split(rng.permutation(len(one.errors[size])), 2)
        rest = float(one.errors[size][other].mean()), float(one.errors[later][other].mean())
        yield HALVES, told(now, then, rest, one.curve(mine.tolist()))


def main() -> None:
    """Print the table."""
    rows = pd.DataFrame([
        {"step": step, "who": who, **vars(found)}
        for step, who, found in forecasts(known_targets())
    ])  # fmt: skip
    rows["missed"] = np.abs(np.log(rows.labels))
    sys.stdout.write(
        "| from, to | knows | error | labels | error, goals worth it | labels, goals worth it |\n"
        + "|---" * 6 + "|\n"
    )  # fmt: skip
    for step in STEPS:
        for who in (SHAPE, LEVEL, NEITHER, HALVES):
            of = rows[(rows.step == step) & (rows.who == who)]
            figures = [
                f"{100 * part.error.median():.1f} | x {np.exp(part.missed.median()):.2f}"
                for part in (of, of[of.gain >= WORTHY])
            ]
            sys.stdout.write(f"| {step[0]}, {step[1]} | {who} | {' | '.join(figures)} |\n")


if __name__ == "__main__":
    main()
