"""How good the forecast of labels is: from 5, 10 and 20 labels a class to 20 and 40.

    python -m tests.benchmarks.label_forecast --features FOLDER --kept FOLDER [--draws 6]
        [--sources NAME ...]

The forecast of each draw against the mean accuracy of the mixture of probes in the record of small
transfers, by a prior and a noise from the targets of all other families (`curve_prior.py`): how
often its 90 % interval holds it, the median error, the same of the gain, and the factor by which
the labels are missed that reach that accuracy, and that gain what the record gains; the same where
that is three points or more (*worth it*): `forecast_bounds.py` says what can be reached at all.
Beside it a plain power law, by least squares on the same measured accuracies. The features are
those that
`tests/benchmarks/transfer_record.py` leaves; what is measured on them is kept below a folder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from autotransfer.transferability.learning_curve.power_law import LEVEL, LearningCurve, fitted
from tests.benchmarks.curve_prior import Features, Row, likeliest, of_numbers, rows_of
from tests.benchmarks.forecast_bounds import FARTHEST, STEPS, WORTHY

CHOOSING = ("awa", "caltech30", "cifar10", "digits", "grocery", "pacs")  # also of `label_free`
WARM = 5  # steps from the numbers of all families to those without one


@dataclass(frozen=True)
class Miss:
    """How far one forecast was off; accuracies in [0, 1], labels as a factor."""

    gain: float
    covered: bool
    error: float
    width: float
    gain_covered: bool
    gain_error: float
    labels: float
    labels_of_gain: float
    plain_error: float
    plain_labels: float


def missed(row: Row, curve: LearningCurve, size: int) -> Miss:
    """Return how far a forecast to a larger size is off."""
    found, said = row.measured, row.truth
    now, then = said.labelled[row.size], said.labelled[size]
    before, truth = said.accuracy[row.size], said.accuracy[size]
    both = curve.accuracies([now, then])
    low, middle, high = np.quantile(both[:, 1], [LEVEL, 0.5, 1 - LEVEL])
    gains = both[:, 1] - both[:, 0]
    gain_low, gain, gain_high = np.quantile(gains, [LEVEL, 0.5, 1 - LEVEL])
    grid = now * np.geomspace(1, FARTHEST, 150)
    along = np.median(curve.accuracies(grid), axis=0)
    needed, of_gain = (
        grid[np.argmax(along >= goal)] if (along >= goal).any() else FARTHEST * now
        for goal in (truth, along[0] + truth - before)
    )
    errors = np.maximum(1 - found.accuracy, 0.5 / found.hits.shape[1])
    slope, start = np.polyfit(np.log(found.sizes), np.log(errors), 1)
    plain = 1 - np.exp(start + slope * np.log(then))
    exponent = (np.log(max(1 - truth, 1e-3)) - start) / min(slope, -1e-3)
    plain_needed = np.exp(min(exponent, 100.0))
    return Miss(
        truth - before,
        bool(low <= truth <= high),
        abs(middle - truth),
        high - low,
        bool(gain_low <= truth - before <= gain_high),
        abs(gain - (truth - before)),
        needed / then,
        of_gain / then,
        abs(plain - truth),
        float(np.clip(plain_needed / then, 1 / FARTHEST, FARTHEST)),
    )


def misses(rows: Sequence[Row]) -> Iterator[tuple[int, int, Miss]]:
    """Yield every forecast, by the numbers of all other families."""
    numbers = likeliest(rows)
    for family in sorted({row.truth.family for row in rows}):
        others = [row for row in rows if row.truth.family != family]
        prior, noise = of_numbers(likeliest(others, numbers, WARM))
        for row in rows:
            if row.truth.family == family:
                curve = fitted(row.measured, prior, noise)
                for now, then in STEPS:
                    if now == row.size and then in row.truth.accuracy:
                        yield now, then, missed(row, curve, then)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--kept", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--sources", nargs="+", default=())
    given = parser.parse_args()
    features = Features(given.features, given.sources)
    found = list(misses(list(rows_of(features, given.kept, given.draws))))
    sys.stdout.write(
        "| from, to | forecasts | covered | error | width | gain covered | gain error | labels | "
        "labels of the gain | plain error | plain labels | worth it | error | labels | "
        "labels of the gain |\n|" + " --- |" * 15 + "\n"
    )
    for step in STEPS:
        table = pd.DataFrame([vars(miss) for now, then, miss in found if (now, then) == step])
        if not len(table):
            continue
        middle, worth = table.median(), table[table.gain >= WORTHY]
        sys.stdout.write(
            f"| {step[0]}, {step[1]} | {len(table)} | {100 * table.covered.mean():.0f} % | "
            f"{100 * middle.error:.1f} | {100 * middle.width:.1f} | "
            f"{100 * table.gain_covered.mean():.0f} % | {100 * middle.gain_error:.1f} | "
            f"{factor(table.labels)} | {factor(table.labels_of_gain)} | "
            f"{100 * middle.plain_error:.1f} | {factor(table.plain_labels)} | {len(worth)} | "
            f"{100 * worth.error.median():.1f} | {factor(worth.labels)} | "
            f"{factor(worth.labels_of_gain)} |\n"
        )


def factor(labels: pd.Series) -> str:
    """Return the median factor by which labels are missed."""
    return f"x {np.exp(np.abs(np.log(labels)).median()):.2f}"


if __name__ == "__main__":
    main()
