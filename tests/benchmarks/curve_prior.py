"""The numbers of the prior of learning curves and of its noise, from the record of transfers.

For 5, 10 and 20 labels a class, what sub-sampling measures is set beside the mean accuracy of the
mixture in the record at the same size and at 10, 20 and 40 a class. Mean level and slope of the
prior, `OF_ITEMS` and `SHARED` are those by which the log errors of the record are most likely
under the posterior, by a t distribution of `FREEDOM` degrees of freedom, every target alike. The
deviations of the prior and `MISFIT` are set by hand: by leave-one-family-out on the families
that choose (`--score`), whose six families alone would give too narrow ones. `--kept` keeps the
measurements; those that are there are not computed again.

    python -m tests.benchmarks.curve_prior --features FOLDER --kept FILE [--draws 6] [--score]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import t as student

from autotransfer.transferability.learning_curve import power_law
from autotransfer.transferability.learning_curve.power_law import MISFIT, MIXTURE, basis, smoothed
from tests.benchmarks.label_forecast import CHOOSING, measured
from tests.benchmarks.transfer_cells import WITH_JOINT
from tests.benchmarks.transfer_table import read_record
from tests.benchmarks.transfer_targets import TARGETS, Target

FROM, TO = (5, 10, 20), (5, 10, 20, 40)
LEAST_ERROR = 0.0025  # of the record: its accuracies are means over at most 400 items
START = (-2.1, -0.55, 0.0, -2.3)  # level, slope, log OF_ITEMS, log SHARED
PULL = 0.001  # towards the start, of squared distances

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """What sub-sampling measured in one draw, beside the log errors of the record.

    Args:
        log_errors: (J,) measured.
        of_items: (J, J) covariance that the items show.
        shared: (J, J) covariance of counts that share all their luck.
        terms: (J, 3) of the curve at the measured sizes.
        truth: (M,) log errors of the record.
        later: (M, 3) terms of the curve at their sizes.
    """

    target: str
    family: str
    log_errors: Floats
    of_items: Floats
    shared: Floats
    terms: Floats
    truth: Floats
    later: Floats

    def density(self, numbers: Sequence[float]) -> float:
        """Return the mean log density of the record's errors under the posterior."""
        level, slope, of_items, shared = numbers
        before = np.array(MIXTURE.covariance)
        mean = np.array([level, slope, MIXTURE.mean[2]])
        noise = np.exp(of_items) * self.of_items + np.exp(shared) * self.shared
        noise = noise + np.eye(len(noise)) * MISFIT**2
        x = self.terms
        gain = np.linalg.solve(x @ before @ x.T + noise, x @ before).T
        middle = mean + gain @ (self.log_errors - x @ mean)
        after = before - gain @ x @ before
        spread = np.sqrt(np.einsum("mi,ij,mj->m", self.later, after, self.later) + MISFIT**2)
        found = student.logpdf(self.truth, power_law.FREEDOM, self.later @ middle, spread)
        return float(found.mean())


def lines(features: Path, kept: Path, draws: int) -> Iterator[dict[str, Any]]:
    """Yield what is measured in every draw of the targets that choose."""
    old = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
    there = {(x["target"], x["size"], x["draw"]): x for x in map(json.loads, old)}
    family = read_record().groupby("target", observed=True).family.first().astype(str).to_dict()
    chosen = [target for target in TARGETS if family.get(target.name) in CHOOSING]
    with kept.open("a", encoding="utf-8") as file:
        for target, size, draw in product(chosen, FROM, range(draws)):
            line = there.get((target.name, size, draw))
            if line is None:
                line = _line(features, target, size, draw) | {"family": family[target.name]}
                file.write(json.dumps(line) + "\n")
                file.flush()
            if "sizes" in line:
                yield line


def _line(features: Path, target: Target, size: int, draw: int) -> dict[str, Any]:
    """Return what is measured in a draw; without sizes where the target is too small for it."""
    about = {"target": target.name, "size": size, "draw": draw}
    found = measured(features, target, size, draw)
    if found is None:
        return about
    one, _ = found
    return about | {
        "classes": one.num_classes,
        "tested": one.hits.shape[1],
        "sizes": one.sizes.tolist(),
        "accuracy": one.accuracy.tolist(),
        "covariance": np.cov(one.hits, bias=True).tolist(),
    }


def measurements(found: Iterator[dict[str, Any]]) -> list[Measured]:
    """Return the lines beside the record."""
    record = read_record()
    record = record[record.kind == WITH_JOINT]
    means = record.groupby(["target", "size"], observed=True)[["true_accuracy", "labelled"]].mean()
    return [_measured(line, means.loc[line["target"]]) for line in found]


def _measured(line: dict[str, Any], means: pd.DataFrame) -> Measured:
    t, classes = line["tested"], line["classes"]
    errors = smoothed(1 - np.array(line["accuracy"]), t)
    counts = np.sqrt((1 - errors) / (errors * t))
    a_class = np.array(line["sizes"]) / classes
    a_class[-1] = max(a_class[-1] - 1, a_class[-1] / 2)
    sizes = [size for size in TO if size >= line["size"] and size in means.index]
    truth = means.loc[sizes]
    return Measured(
        line["target"],
        line["family"],
        np.log(errors),
        np.atleast_2d(line["covariance"]) / (t * np.outer(errors, errors)),
        np.outer(counts, counts),
        basis(a_class),
        np.log(np.maximum(1 - truth.true_accuracy.to_numpy(np.float64), LEAST_ERROR)),
        basis(truth.labelled.to_numpy(np.float64) / classes),
    )


def density(rows: Sequence[Measured], numbers: Sequence[float]) -> float:
    """Return the mean log density, every target alike."""
    of = pd.DataFrame([(row.target, row.density(numbers)) for row in rows])
    return float(of.groupby(0)[1].mean().mean())


def likeliest(rows: Sequence[Measured]) -> Floats:
    """Return level, slope and the logarithms of both shares that make the record likeliest."""

    def loss(numbers: Floats) -> float:
        far = float(np.square(numbers - START).sum())
        return PULL * far - density(rows, numbers.tolist())

    found = minimize(loss, START, method="L-BFGS-B", options={"maxiter": 20})
    return np.asarray(found.x, dtype=np.float64)


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--kept", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--score", action="store_true", help="leave-one-family-out as well")
    given = parser.parse_args()
    rows = measurements(lines(given.features, given.kept, given.draws))
    level, slope, of_items, shared = likeliest(rows)
    sys.stdout.write(
        f"{len(rows)} curves of {len({row.target for row in rows})} targets: level {level:.2f}, "
        f"slope {slope:.2f}, OF_ITEMS {np.exp(of_items):.2f}, SHARED {np.exp(shared):.3f}\n"
    )
    for family in CHOOSING if given.score else ():
        numbers = likeliest([row for row in rows if row.family != family])
        left_out = density([row for row in rows if row.family == family], numbers.tolist())
        sys.stdout.write(f"{family}: {left_out:.3f} by the others' numbers {numbers.round(2)}\n")


if __name__ == "__main__":
    main()
