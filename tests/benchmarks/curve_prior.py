"""The numbers of the prior of learning curves and of its noise, from the record of transfers.

For 5, 10 and 20 labels a class, what sub-sampling measures is set beside the mean accuracy of the
mixture in the record at the same size and at 10, 20 and 40 a class. Mean level and slope and the
two numbers of the noise are those by which the log errors of the record are most likely under the
posterior, by a t distribution of `FREEDOM` degrees of freedom, every target alike. The deviations
of the prior and `MISFIT` were set by hand, by leave-one-family-out on six of the families: the
standard deviation between families alone gave intervals too narrow for a new one. Features are
those that `tests/benchmarks/transfer_record.py` leaves; what is measured on them is kept below a
folder.

    python -m tests.benchmarks.curve_prior --features FOLDER --kept FOLDER [--draws 6]
        [--sources NAME ...]

With some sources alone, the truth is that of the ridge that is measured, on these sources, in the
draws of the record; pools whose features are not there are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize

from autotransfer.models.single_thread import single_thread
from autotransfer.transferability.learning_curve.power_law import (
    FREEDOM,
    MISFIT,
    MIXTURE,
    NOISE,
    Noise,
    Prior,
    basis,
    observed,
)
from autotransfer.transferability.learning_curve.subsampling import (
    WEIGHED_BY,
    Grams,
    Subsampled,
    _margins,
    _spread,
    subsampled,
)
from tests.benchmarks.transfer_cells import NO_SOURCE, WITH_JOINT
from tests.benchmarks.transfer_table import read_record
from tests.benchmarks.transfer_targets import TARGETS, Target, draw, labels_of, pool_of

FROM, TO = (5, 10, 20), (5, 10, 20, 40)
MOST_ITEMS = 450
TRUE_DRAWS = 10  # of the record, whose mean is the truth
LEAST_ERROR = 0.0025  # of the record: its accuracies are means over at most 400 items
START = np.array([-2.1, -0.55, 0.0, -2.3])  # two means, and logarithms of the noise
_NOTHING = 1e6  # variance of what only fills up
PULL = np.array([4.0, 4.0, 1.0, 1.0]) / 1000  # towards the start, of squared distances

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """What the record says of a target: by labelled images a class, 0 for all.

    Args:
        accuracy: Mean over the draws, in [0, 1].
        labelled: Labels in all.
    """

    family: str
    accuracy: Mapping[int, float]
    labelled: Mapping[int, float]


@dataclass(frozen=True)
class Row:
    """What sub-sampling measured in one draw, beside the record."""

    target: str
    size: int
    measured: Subsampled
    truth: Truth


@dataclass(frozen=True)
class Stack:
    """N rows as arrays, filled up to J measured and M later sizes; `observed` says of what.

    Args:
        terms: (N, J, 3) of the curve at the measured sizes.
        log_errors: (N, J) measured.
        of_items: (N, J, J) covariance that the items show.
        shared: (N, J, J) covariance of counts that share all their luck.
        others: (N, J) variance besides; infinite, nearly, for what only fills up.
        later: (N, M, 3) terms at the sizes of the record.
        truth: (N, M) log errors of the record.
        weights: (N, M) of the log densities, every target alike; 0 for what only fills up.
    """

    terms: Floats
    log_errors: Floats
    of_items: Floats
    shared: Floats
    others: Floats
    later: Floats
    truth: Floats
    weights: Floats

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Stack:
        """Return the arrays of some rows."""
        n, most = len(rows), max(len(row.measured.sizes) for row in rows)
        stack = cls(
            np.zeros((n, most, 3)), np.zeros((n, most)), np.zeros((n, most, most)),
            np.zeros((n, most, most)), np.full((n, most), _NOTHING),
            np.zeros((n, len(TO), 3)), np.zeros((n, len(TO))), np.zeros((n, len(TO))),
        )  # fmt: skip
        targets = [row.target for row in rows]
        for i, row in enumerate(rows):
            j = len(row.measured.sizes)
            stack.terms[i, :j], stack.log_errors[i, :j], items = observed(
                row.measured, Noise(1.0, 0.0)
            )
            fixed = np.eye(j) * MISFIT**2
            stack.of_items[i, :j, :j] = items - fixed
            stack.shared[i, :j, :j] = observed(row.measured, Noise(0.0, 1.0))[2] - fixed
            stack.others[i, :j] = MISFIT**2
            sizes = [s for s in TO if s >= row.size and s in row.truth.accuracy]
            a_class = np.array([row.truth.labelled[s] for s in sizes]) / row.measured.num_classes
            stack.later[i, : len(sizes)] = basis(a_class)
            wrong = [max(1 - row.truth.accuracy[s], LEAST_ERROR) for s in sizes]
            stack.truth[i, : len(sizes)] = np.log(wrong)
            share = 1 / len(set(targets)) / targets.count(row.target)
            stack.weights[i, : len(sizes)] = share / len(sizes)
        return stack

    def log_density(self, prior: Prior, noise: Noise) -> float:
        """Return the mean log density of the record's log errors under the posterior."""
        x, mean, before = self.terms, np.array(prior.mean), np.array(prior.covariance)
        spread = noise.of_items * self.of_items + noise.shared * self.shared
        spread += np.eye(x.shape[1]) * self.others[:, None, :]
        across = x @ before  # (N, J, 3)
        gain = np.swapaxes(np.linalg.solve(across @ np.swapaxes(x, 1, 2) + spread, across), 1, 2)
        middle = mean + np.einsum("nij,nj->ni", gain, self.log_errors - x @ mean)
        after = before - gain @ across
        variance = np.einsum("nmi,nij,nmj->nm", self.later, after, self.later) + MISFIT**2
        off = self.truth - np.einsum("nmi,ni->nm", self.later, middle)
        found = -(FREEDOM + 1) / 2 * np.log1p(off**2 / variance / FREEDOM) - np.log(variance) / 2
        return float((self.weights * found).sum())


def truths() -> dict[str, Truth]:
    """Return what the record says of each target."""
    record = read_record()
    record = record[record.kind == WITH_JOINT]
    found = {}
    for name, rows in record.groupby("target", observed=True):
        means = rows.groupby("size", observed=True)[["true_accuracy", "labelled"]].mean()
        sizes = [int(str(size)) for size in means.index]
        found[str(name)] = Truth(
            str(rows.family.iloc[0]),
            dict(zip(sizes, means.true_accuracy.tolist(), strict=True)),
            dict(zip(sizes, means.labelled.tolist(), strict=True)),
        )
    return found


@dataclass(frozen=True)
class Features:
    """The kept features of the pools.

    Args:
        folder: Where they are.
        sources: Those that are read; none for all.
    """

    folder: Path
    sources: Sequence[str] = ()

    def has(self, target: Target) -> bool:
        """Return whether the features of a target are there."""
        return all((self.folder / target.pool / f"{s}.npz").is_file() for s in self.sources)

    def labels(self, target: Target) -> NDArray[np.int64]:
        """Return (n,) the classes of the images of a target's pool, -1 for those not in it."""
        with np.load(self.folder / target.pool / "pool.npz") as kept:
            names = tuple(kept["class_names"])
            return labels_of(target, kept["labels"].astype(np.int64), names)

    def blocks(self, target: Target, places: NDArray[np.int64]) -> list[NDArray[np.float32]]:
        """Return (n, d) features of some images by every source that did not learn from them."""
        found = []
        for path in sorted((self.folder / target.pool).glob("*.npz")):
            leaks = pool_of(target).leak == "CIFAR-10" and "cifar10" in path.stem
            unread = self.sources and path.stem not in self.sources
            if path.stem not in ("pool", *NO_SOURCE) and not leaks and not unread:
                with np.load(path) as kept:
                    found.append(kept[f"stage {len(kept.files)}"][places].astype(np.float32))
        return found

    def measured(self, target: Target, size: int, number: int) -> Subsampled | None:
        """Return the accuracies with fewer labels of a draw; None where there is none."""
        labels = self.labels(target)
        drawn = draw(target, labels, size, number)
        if drawn is None or len(drawn.labelled) > MOST_ITEMS:
            return None
        y = labels[drawn.labelled]
        num_classes = int(y.max()) + 1
        grams = Grams.of(self.blocks(target, drawn.labelled), y, num_classes)
        return subsampled(grams, y, num_classes, seed=number)

    def accuracy(self, target: Target, size: int, number: int) -> float:
        """Return the accuracy of the ridge on the tested images of a draw of the record."""
        labels = self.labels(target)
        drawn = draw(target, labels, size, number)
        assert drawn is not None
        y = labels[np.concatenate([drawn.labelled, drawn.tested])]
        n, num_classes = len(drawn.labelled), int(y.max()) + 1
        blocks = self.blocks(target, np.concatenate([drawn.labelled, drawn.tested]))
        with single_thread():
            few = [_spread(y[:n], WEIGHED_BY)]
            gram = Grams.of(blocks, y, num_classes).joint(few, y, num_classes)
            margins = _margins(gram, y, num_classes, np.arange(n), np.arange(n, len(y)))
        return float((margins > 0).mean())

    def truth(self, target: Target, of_record: Truth, kept: Path) -> Truth:
        """Return the mean accuracy of the ridge in the draws of the record.

        Args:
            target: The target.
            of_record: What all sources together reach; its sizes are taken.
            kept: Folder of what is there already.
        """
        path = kept / f"{target.name}.json"
        if not path.exists():
            found = {
                size: float(np.mean([self.accuracy(target, size, i) for i in range(TRUE_DRAWS)]))
                for size in of_record.accuracy if size in TO
            }  # fmt: skip
            path.write_text(json.dumps(found), encoding="utf-8")
        means = json.loads(path.read_text(encoding="utf-8"))
        return replace(of_record, accuracy={int(size): mean for size, mean in means.items()})


def rows_of(features: Features, kept: Path, draws: int) -> Iterator[Row]:
    """Yield what is measured in every draw; what is kept already is not measured again."""
    kept.mkdir(parents=True, exist_ok=True)
    of_record = truths()
    targets = [t for t in TARGETS if t.name in of_record and features.has(t)]
    said = {
        t.name: features.truth(t, of_record[t.name], kept)
        if features.sources else of_record[t.name]
        for t in targets
    }  # fmt: skip
    for number, size, target in product(range(draws), FROM, targets):
        if size not in said[target.name].accuracy:
            continue
        path = kept / f"{target.name}-{size}-{number}.npz"
        if not path.exists():
            found = features.measured(target, size, number)
            sizes = np.zeros(0) if found is None else found.sizes
            hits = np.zeros((0, 0)) if found is None else found.hits
            classes = 0 if found is None else found.num_classes
            np.savez_compressed(path, sizes=sizes, hits=hits.astype(np.float32), classes=classes)
        with np.load(path) as line:
            hits = line["hits"].astype(np.float64)
            sizes, classes = line["sizes"].astype(np.int64), int(line["classes"])
        if len(sizes):
            one = Subsampled(sizes, hits, classes, hits.shape[1], left_out=True)
            yield Row(target.name, size, one, said[target.name])


def of_numbers(numbers: Floats) -> tuple[Prior, Noise]:
    """Return the prior and the noise of two means and two logarithms."""
    level, slope, of_items, shared = numbers.tolist()
    return Prior((level, slope, 0.0), MIXTURE.covariance), Noise(np.exp(of_items), np.exp(shared))


def likeliest(rows: Sequence[Row], start: Floats = START, steps: int = 20) -> Floats:
    """Return the numbers that make the record likeliest, every target alike."""
    stack = Stack.of(rows)

    def loss(numbers: Floats) -> float:
        return float(PULL @ np.square(numbers - START)) - stack.log_density(*of_numbers(numbers))

    found = minimize(loss, start, method="L-BFGS-B", options={"maxiter": steps})
    return np.asarray(found.x, dtype=np.float64)


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--kept", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--sources", nargs="+", default=())
    given = parser.parse_args()
    features = Features(given.features, given.sources)
    rows = list(rows_of(features, given.kept, given.draws))
    prior, noise = of_numbers(likeliest(rows))
    shown = pd.DataFrame(
        {"these": [*prior.mean[:2], noise.of_items, noise.shared],
         "in the code": [*MIXTURE.mean[:2], NOISE.of_items, NOISE.shared]},
        index=["level", "slope", "of items", "shared"],
    )  # fmt: skip
    sys.stdout.write(
        f"{len(rows)} draws of {len({row.target for row in rows})} targets\n"
        f"{shown.round(3).to_string()}\n"
    )


if __name__ == "__main__":
    main()
