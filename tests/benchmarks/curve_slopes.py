"""Whether what is known of a target tells how steep its learning curve is, from the record alone.

    python -m tests.benchmarks.curve_slopes

The slope in log error over log labels between two sizes, by a ridge on what could be known at the
smaller one: one thing at a time, and pairs. Each family is told by the others, every family alike.
All is known here without noise, so that this is the best case: a fit sees it on its items alone.
Shown are root mean squares of what is off, beside those of the mean of the other families.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from tests.benchmarks.forecast_bounds import LEAST_ERROR, STEPS
from tests.benchmarks.transfer_cells import NO_SOURCE, WITH_JOINT
from tests.benchmarks.transfer_table import read_record

BEFORE = {5: 2, 10: 5, 20: 10}  # the size before
SHRUNK = 1.0  # penalty, of coefficients of standardised columns; families weigh one each
SHOWN = 3  # best pairs
KNOWN = (
    "level", "slope so far", "classes", "mixture over best source", "mixture over median source",
    "spread of sources", "without a source", "level over without a source", "log loss",
)  # fmt: skip


def slopes(size: int, later: int) -> pd.DataFrame:
    """Return the slope of each target between two sizes, and what is known at the first."""
    record = read_record()
    record = record[record["size"].isin([BEFORE[size], size, later])]
    rule = record[record.kind == WITH_JOINT]
    means = rule.groupby(["target", "size"], observed=True)
    error = np.log((1 - means.true_accuracy.mean()).clip(lower=LEAST_ERROR)).unstack()
    labels = np.log(means.labelled.mean()).unstack()
    probes = record[(record.kind == "probe") & (record["size"] == size) & ~record.leaks]
    last = probes[probes.stage == probes.stages]
    by_source = _log_errors(last[~last.source.isin(NO_SOURCE)])
    without = _log_errors(last[last.source.isin(NO_SOURCE)])
    said = rule[rule["size"] == size].groupby("target", observed=True)
    level = error[size]
    found = pd.DataFrame({
        "family": said.family.first().astype(str),
        "slope": (error[later] - level) / (labels[later] - labels[size]),
        "level": level,
        "slope so far": (level - error[BEFORE[size]]) / (labels[size] - labels[BEFORE[size]]),
        "classes": np.log(said.classes.first().astype(float)),
        "mixture over best source": level - by_source.min(axis=1),
        "mixture over median source": level - by_source.median(axis=1),
        "spread of sources": by_source.std(axis=1),
        "without a source": without.min(axis=1),
        "level over without a source": level - without.min(axis=1),
        "log loss": np.log(said.true_log_loss.mean()),
    })  # fmt: skip
    return found.dropna()


def _log_errors(probes: pd.DataFrame) -> pd.DataFrame:
    """Return those of mean accuracies, by target and source."""
    means = probes.groupby(["target", "source"], observed=True).true_accuracy.mean().unstack()
    found: pd.DataFrame = (1 - means).clip(lower=LEAST_ERROR).apply(np.log)
    return found


def off(table: pd.DataFrame, names: Sequence[str]) -> float:
    """Return the root mean square of what the slopes of left-out families are off."""
    wrong = []
    for family in table.family.unique():
        others, mine = table[table.family != family], table[table.family == family]
        weights = 1 / others.groupby("family").family.transform("size").to_numpy()
        middle, spread = others[list(names)].mean(), others[list(names)].std()
        x, shown = (
            np.column_stack([np.ones(len(t)), (t[list(names)] - middle) / spread])
            for t in (others, mine)
        )
        penalty = np.diag([0.0, *[SHRUNK] * len(names)])
        told = np.linalg.solve((x.T * weights) @ x + penalty, (x.T * weights) @ others.slope)
        wrong.append(float(np.square(shown @ told - mine.slope).mean()))
    return float(np.sqrt(np.mean(wrong)))


def main() -> None:
    """Print a row for each thing that is known, and the best pairs of each step."""
    tables = {step: slopes(*step) for step in STEPS}
    columns = " | ".join(f"{now}, {later}" for now, later in STEPS)
    sys.stdout.write(f"| known | {columns} |\n" + "|---" * (len(STEPS) + 1) + "|\n")
    for names in ((), *((name,) for name in KNOWN)):
        cells = " | ".join(f"{off(table, names):.2f}" for table in tables.values())
        sys.stdout.write(f"| {', '.join(names) or 'other families alone'} | {cells} |\n")
    pairs = {
        pair: [off(t, pair) / off(t, ()) for t in tables.values()]
        for pair in combinations(KNOWN, 2)
    }
    for pair in sorted(pairs, key=lambda p: np.log(pairs[p]).mean())[:SHOWN]:
        cells = " | ".join(f"{100 * ratio - 100:+.0f} %" for ratio in pairs[pair])
        sys.stdout.write(f"| {', '.join(pair)} | {cells} |\n")


if __name__ == "__main__":
    main()
