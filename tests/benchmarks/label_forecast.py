"""How good the forecast of labels is: from 5, 10 and 20 labels a class to 20 and 40.

    python -m tests.benchmarks.label_forecast --features FOLDER [--draws 2] [--choosing]

The forecast of each draw against the mean accuracy of the mixture of probes in the record of small
transfers: how often its 90 % interval holds it, the median error, the same of the gain, and the
factor by which the labels are missed that reach that accuracy, and that gain what the record
gains; beside it a plain power law, by least squares on the same measured accuracies. The families
awa, caltech30, cifar10, digits, grocery and pacs have chosen the prior and the noise
(`curve_prior.py`); the others judge. The features are those that
`tests/benchmarks/transfer_record.py` leaves.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autotransfer.transferability.learning_curve.power_law import LEVEL, fitted
from autotransfer.transferability.learning_curve.subsampling import Grams, Subsampled, subsampled
from tests.benchmarks.transfer_cells import NO_SOURCE, WITH_JOINT
from tests.benchmarks.transfer_table import read_record
from tests.benchmarks.transfer_targets import TARGETS, Target, draw, labels_of, pool_of

CHOOSING = ("awa", "caltech30", "cifar10", "digits", "grocery", "pacs")
STEPS = ((5, 20), (5, 40), (10, 20), (10, 40), (20, 40))
FARTHEST = 40.0  # times the labels; a forecast that needs more counts as so many
MOST_ITEMS = 450


@dataclass(frozen=True)
class Miss:
    """How far one forecast was off; accuracies in [0, 1], labels as a factor."""

    covered: bool
    error: float
    width: float
    gain_covered: bool
    gain_error: float
    labels: float
    labels_of_gain: float
    plain_error: float
    plain_labels: float


def measured(
    folder: Path, target: Target, size: int, number: int
) -> tuple[Subsampled, NDArray[np.int64]] | None:
    """Return the accuracies with fewer labels of a draw."""
    pool = pool_of(target)
    with np.load(folder / pool.name / "pool.npz") as kept:
        labels = labels_of(target, kept["labels"].astype(np.int64), tuple(kept["class_names"]))
    drawn = draw(target, labels, size, number)
    if drawn is None or len(drawn.labelled) > MOST_ITEMS:
        return None
    blocks = []
    for path in sorted((folder / pool.name).glob("*.npz")):
        leaks = pool.leak == "CIFAR-10" and "cifar10" in path.stem
        if path.stem not in ("pool", *NO_SOURCE) and not leaks:
            with np.load(path) as kept:
                x = kept[f"stage {len(kept.files)}"][drawn.labelled]
            blocks.append(x.astype(np.float32))
    y = labels[drawn.labelled]
    num_classes = int(y.max()) + 1
    found = subsampled(Grams.of(blocks, y, num_classes), y, num_classes, seed=number)
    return None if found is None else (found, y)


def missed(found: Subsampled, now: int, then: int, before: float, truth: float) -> Miss:
    """Return how far a forecast from `now` to `then` labels is off."""
    curve = fitted(found)
    both = curve.accuracies([now, then])
    low, middle, high = np.quantile(both[:, 1], [LEVEL, 0.5, 1 - LEVEL])
    gains = both[:, 1] - both[:, 0]
    gain_low, gain, gain_high = np.quantile(gains, [LEVEL, 0.5, 1 - LEVEL])
    grid = now * np.geomspace(1, FARTHEST, 300)
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


def misses(
    folder: Path, draws: int, wanted: Mapping[str, bool], record: pd.DataFrame
) -> Iterator[tuple[int, int, Miss]]:
    """Yield every forecast of the wanted targets."""
    by = record.groupby(["target", "size"], observed=True)
    truth, labels = by.true_accuracy.mean().to_dict(), by.labelled.mean().to_dict()
    for target in TARGETS:
        if not wanted.get(target.name):
            continue
        for now in sorted({now for now, _ in STEPS}):
            later = [then for n, then in STEPS if n == now and (target.name, then) in truth]
            for number in range(draws if later else 0):
                found = measured(folder, target, now, number)
                for then in later if found is not None else ():
                    assert found is not None
                    ends = (int(labels[target.name, now]), int(labels[target.name, then]))
                    accuracies = (truth[target.name, now], truth[target.name, then])
                    yield now, then, missed(found[0], *ends, *accuracies)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--choosing", action="store_true")
    given = parser.parse_args()
    record = read_record()
    record = record[record.kind == WITH_JOINT]
    family = record.groupby("target", observed=True).family.first().astype(str)
    wanted = {str(t): (f in CHOOSING) == given.choosing for t, f in family.items()}
    found = list(misses(given.features, given.draws, wanted, record))
    sys.stdout.write(
        "| from, to | forecasts | covered | error | width | gain covered | gain error | labels | "
        "labels of the gain | plain error | plain labels |\n|" + " --- |" * 11 + "\n"
    )
    for step in STEPS:
        rows = [miss for now, then, miss in found if (now, then) == step]
        if not rows:
            continue
        table = pd.DataFrame([vars(row) for row in rows])
        middle = table.median(numeric_only=True)
        factor, of_gain, plain = (
            np.exp(np.abs(np.log(table[name])).median())
            for name in ("labels", "labels_of_gain", "plain_labels")
        )
        sys.stdout.write(
            f"| {step[0]}, {step[1]} | {len(rows)} | {100 * table.covered.mean():.0f} % | "
            f"{100 * middle.error:.1f} | {100 * middle.width:.1f} | "
            f"{100 * table.gain_covered.mean():.0f} % | {100 * middle.gain_error:.1f} | "
            f"x {factor:.2f} | x {of_gain:.2f} | "
            f"{100 * middle.plain_error:.1f} | x {plain:.2f} |\n"
        )


if __name__ == "__main__":
    main()
