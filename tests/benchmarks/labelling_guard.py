"""How often the 95 % interval of a gap misses the truth, where images were chosen to be labelled.

In each replay 40 images of a pool of the kit are labelled at random and 40 more are chosen by
`autotransfer.labelling.picking`. Two ridge probes, on the source that chose and on gradients
without a source, are compared out of fold by the guard's own interval, on the random images alone,
on all 80, or on those that were chosen; both learn from all that is not in the fold. The truth is
the gap on all other images of the pool, with its standard error added in quadrature. The features
are those that `tests/benchmarks/transfer_record.py` leaves.

    python -m tests.benchmarks.labelling_guard --features FOLDER --replays 500
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autotransfer.guard.bootstrap import Z_INTERVAL, compare
from autotransfer.guard.guard import INFLATION
from autotransfer.labelling.picking import pick
from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.heads.ridge import fit_ridge
from autotransfer.models.metrics import metric_named
from autotransfer.models.single_thread import single_thread

POOLS = ("eurosat", "flowers5", "cifar10", "fashion")
CHOOSING, RIVAL = "mobilenetv1-100-imagenet", "hog"
RANDOM, CHOSEN, FOLDS = 40, 40, 4
ACCURACY = metric_named("accuracy")

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def read(folder: Path, pool: str, source: str) -> Floats:
    """Return (n, d) features of a pool."""
    with np.load(folder / pool / f"{source}.npz") as kept:
        x = kept[f"stage {len(kept.files)}"].astype(np.float32)
    return unit_rows(x - x.mean(axis=0)).astype(np.float32)


def said(x: Floats, y: Ints, learnt: Ints, shown: Ints, num_classes: int) -> NDArray[np.float64]:
    """Return (m, K) probabilities."""
    head = fit_ridge(x[learnt], y[learnt], num_classes, standardise=False)
    scores = x[shown] @ head.weight.T + head.bias
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    found: NDArray[np.float64] = scores / scores.sum(axis=1, keepdims=True)
    return found


def missed(xs: tuple[Floats, Floats], y: Ints, seed: int) -> dict[str, tuple[bool, bool, float]]:
    """Return by what is tested: whether the truth lies below or above, and the bias."""
    rng, num_classes = np.random.default_rng(seed), int(y.max()) + 1
    order = rng.permutation(len(y))
    random, rest = order[:RANDOM], order[RANDOM:]
    chosen = rest[pick(xs[0][rest], CHOSEN, xs[0][random], y[random], seed=seed)]
    labelled, others = np.concatenate([random, chosen]), np.setdiff1d(rest, chosen)
    right = [
        (said(x, y, labelled, others, num_classes).argmax(axis=1) == y[others]).astype(float)
        for x in xs
    ]
    truth, error = _mean(right[0] - right[1])
    fold = np.concatenate([np.arange(RANDOM) % FOLDS, np.arange(CHOSEN) % FOLDS])
    pair = [np.zeros((len(labelled), num_classes)) for _ in xs]
    guarded = [np.zeros((RANDOM, num_classes)) for _ in xs]  # chosen images always train
    for k in range(FOLDS):
        out = fold == k
        only_random = out & (np.arange(len(labelled)) < RANDOM)
        for x, all_said, random_said in zip(xs, pair, guarded, strict=True):
            all_said[out] = said(x, y, labelled[~out], labelled[out], num_classes)
            random_said[only_random[:RANDOM]] = said(
                x, y, labelled[~only_random], labelled[only_random], num_classes
            )
    tests: dict[str, tuple[Ints, list[NDArray[np.float64]]]] = {
        "random images alone": (random, guarded),
        "all labelled images": (labelled, pair),
    }
    tests["chosen images alone"] = (chosen, [p[RANDOM:] for p in pair])
    found = {}
    for name, (tested, (ours, theirs)) in tests.items():
        gap = compare(ACCURACY, y[tested], ours, theirs, inflation=INFLATION, seed=seed).gap
        low, high = gap.value - gap.low, gap.high - gap.value
        below = truth < gap.value - np.hypot(low, Z_INTERVAL * error)
        above = truth > gap.value + np.hypot(high, Z_INTERVAL * error)
        found[name] = (bool(below), bool(above), gap.value - truth)
    return found


def _mean(values: NDArray[np.float64]) -> tuple[float, float]:
    return float(values.mean()), float(values.std() / np.sqrt(len(values)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--replays", type=int, default=500)
    given = parser.parse_args()
    sys.stdout.write("| pool | tested on | truth below | truth above | bias, points |\n")
    sys.stdout.write("| --- | --- | --- | --- | --- |\n")
    with single_thread():
        for pool in POOLS:
            xs = (read(given.features, pool, CHOOSING), read(given.features, pool, RIVAL))
            with np.load(given.features / pool / "pool.npz") as kept:
                y = kept["labels"].astype(np.int64)
            rows = [missed(xs, y, seed) for seed in range(given.replays)]
            for name in rows[0]:
                below, above, bias = np.array([row[name] for row in rows], float).mean(axis=0)
                sys.stdout.write(
                    f"| {pool} | {name} | {100 * below:.1f} % | {100 * above:.1f} % | "
                    f"{100 * bias:+.1f} |\n"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main()
