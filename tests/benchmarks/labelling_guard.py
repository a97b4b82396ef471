"""The guard's error rates where images were chosen to be labelled, and where none were.

In each replay two fifths of a pool of the kit are set aside for the truth. Of the other images 40
are labelled at random and 40 more are chosen by `autotransfer.labelling.picking`. Two ridge
probes, on the source that chose and on gradients without a source, are compared out of fold by the
guard's own interval:

- 40 random labels alone train and test,
- the random images test, 40 other random ones train as well,
- the random images test, the 40 chosen ones train as well: what `fit` does with suggested labels,
- all images test, and the chosen ones alone test: what it must not do.

The truth is the gap of the probes that learnt from all labels of the case, on the images set
aside; its standard error is added to the interval in quadrature. A miss is an interval without the
truth: the error rate of the verdict at the margin that is hardest. A wrong verdict is an interval
on one side of zero with the truth on the other. Features are those that
`tests/benchmarks/transfer_record.py` leaves. Replays are kept in a file, and those that are there
are not computed again:

    python -m tests.benchmarks.labelling_guard --features FOLDER --replays 2000 --kept FILE
        [--minutes 4] [--workers 2] [--random 40] [--chosen 40]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
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
SET_ASIDE = 0.4  # of a pool, for the truth
ACCURACY = metric_named("accuracy")
WITHOUT, OTHERS = "random labels alone", "random test, other random ones train"
GUARDED, ALL, ONLY_CHOSEN = "random test, chosen ones train", "all test", "chosen test"
CASES = (WITHOUT, OTHERS, GUARDED, ALL, ONLY_CHOSEN)

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Tested:
    """What a replay of a case says; gaps are of accuracies in [0, 1].

    Args:
        gap: Measured out of fold.
        low: Lower limit of the guard's 95 % interval.
        high: Upper limit.
        truth: Gap on the images set aside.
        error: Its standard error.
    """

    pool: str
    seed: int
    case: str
    gap: float
    low: float
    high: float
    truth: float
    error: float


@dataclass(frozen=True)
class Replay:
    """The images of a pool, and which of them a replay labels.

    Args:
        xs: Features of the source and of the rival, (n, d) each.
        y: (n,) classes.
        aside: Places of the images that the truth is measured on.
    """

    xs: tuple[Floats, Floats]
    y: Ints
    aside: Ints

    def said(self, x: Floats, learnt: Ints, shown: Ints) -> NDArray[np.float64]:
        """Return (m, K) probabilities."""
        head = fit_ridge(x[learnt], self.y[learnt], int(self.y.max()) + 1, standardise=False)
        scores = x[shown] @ head.weight.T + head.bias
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        found: NDArray[np.float64] = scores / scores.sum(axis=1, keepdims=True)
        return found

    def truth(self, learnt: Ints) -> tuple[float, float]:
        """Return the gap of probes that learnt from some images, and its standard error."""
        ours, theirs = (
            (self.said(x, learnt, self.aside).argmax(axis=1) == self.y[self.aside]).astype(float)
            for x in self.xs
        )
        gaps = ours - theirs
        return float(gaps.mean()), float(gaps.std() / np.sqrt(len(gaps)))

    def folded(self, tested: Ints, always: Ints) -> list[NDArray[np.float64]]:
        """Return (m, K) probabilities of both probes out of fold; some images always train."""
        fold = np.arange(len(tested)) % FOLDS
        found = [np.zeros((len(tested), int(self.y.max()) + 1)) for _ in self.xs]
        for k in range(FOLDS):
            learnt = np.concatenate([always, tested[fold != k]])
            for x, rows in zip(self.xs, found, strict=True):
                rows[fold == k] = self.said(x, learnt, tested[fold == k])
        return found


@cache
def read(folder: Path, pool: str) -> tuple[tuple[Floats, Floats], Ints]:
    """Return the features of both probes, (n, d) each, and the classes of a pool."""
    with np.load(folder / pool / "pool.npz") as kept:
        y = kept["labels"].astype(np.int64)
    return (_rows(folder / pool / f"{CHOOSING}.npz"), _rows(folder / pool / f"{RIVAL}.npz")), y


def _rows(path: Path) -> Floats:
    with np.load(path) as kept:
        x = kept[f"stage {len(kept.files)}"].astype(np.float32)
    return unit_rows(x - x.mean(axis=0)).astype(np.float32)


def replayed(
    folder: Path, pool: str, seed: int, num_random: int = RANDOM, num_chosen: int = CHOSEN
) -> list[Tested]:
    """Return what a replay with so many images of each kind says in every case."""
    xs, y = read(folder, pool)
    order = np.random.default_rng(seed).permutation(len(y))
    aside, rest = np.split(order, [round(SET_ASIDE * len(y))])
    random, open_to_choice = rest[:num_random], rest[num_random:]
    replay = Replay(xs, y, aside)
    with single_thread():
        picked = pick(xs[0][open_to_choice], num_chosen, xs[0][random], y[random], seed=seed)
        chosen = open_to_choice[picked]
        both, none = np.concatenate([random, chosen]), np.zeros(0, dtype=np.int64)
        places = [(np.arange(len(c)) + late) / len(c) for c, late in ((random, 0), (chosen, 0.5))]
        together = both[np.argsort(np.concatenate(places))]  # the same shares in every fold
        everything, all_labels = replay.folded(together, none), replay.truth(both)
        others = open_to_choice[:num_chosen]
        said = {
            WITHOUT: (random, replay.folded(random, none), replay.truth(random)),
            OTHERS: (
                random,
                replay.folded(random, others),
                replay.truth(np.concatenate([random, others])),
            ),
            GUARDED: (random, replay.folded(random, chosen), all_labels),
            ALL: (together, everything, all_labels),
            ONLY_CHOSEN: (
                chosen,
                [rows[np.isin(together, chosen)] for rows in everything],
                all_labels,
            ),
        }
        found = []
        for case, (tested, (ours, theirs), (truth, error)) in said.items():
            gap = compare(ACCURACY, y[tested], ours, theirs, inflation=INFLATION, seed=seed).gap
            found.append(Tested(pool, seed, case, gap.value, gap.low, gap.high, truth, error))
    return found


def missing(kept: Path, replays: int) -> list[tuple[str, int]]:
    """Return the pools and seeds that a file lacks, pools in turn."""
    done = {(row["pool"], row["seed"]) for row in rows_in(kept)}
    wanted = [(pool, seed) for seed, pool in product(range(-(-replays // len(POOLS))), POOLS)]
    return [key for key in wanted[:replays] if key not in done]


def rows_in(kept: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file; a last line that was cut short is none."""
    if kept.exists():
        for line in kept.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                yield from json.loads(line)


def table(rows: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of the table: rates with their standard errors, bias in points."""
    low, high = rows.gap - rows.low, rows.high - rows.gap
    below = rows.truth < rows.gap - np.hypot(low, Z_INTERVAL * rows.error)
    above = rows.truth > rows.gap + np.hypot(high, Z_INTERVAL * rows.error)
    told = np.select([rows.low > 0, rows.high < 0], [1, -1], 0)
    rows = rows.assign(below=below, above=above, missed=below | above, bias=rows.gap - rows.truth,
                       wrong=told * np.sign(rows.truth) < 0, open=told == 0)  # fmt: skip
    yield "| pool | case | replays | missed | too high | too low | bias | wrong verdict | open |"
    yield "|---" * 9 + "|"
    for pool, case in product((*POOLS, "all"), CASES):
        of = rows[(rows.case == case) & ((rows.pool == pool) | (pool == "all"))]
        if not len(of):
            continue
        mean = of.mean(numeric_only=True)
        error = np.sqrt(mean.missed * (1 - mean.missed) / len(of))
        yield (
            f"| {pool} | {case} | {len(of)} | {100 * mean.missed:.1f} ± {100 * error:.1f} % | "
            f"{100 * mean.below:.1f} % | {100 * mean.above:.1f} % | {100 * mean.bias:+.1f} | "
            f"{100 * mean.wrong:.1f} % | {100 * mean.open:.0f} % |"
        )


def main() -> None:
    """Compute what is missing, as far as time allows, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--replays", type=int, default=2000)
    parser.add_argument("--kept", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=np.inf)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--random", type=int, default=RANDOM)
    parser.add_argument("--chosen", type=int, default=CHOSEN)
    given = parser.parse_args()
    until, keys = time.monotonic() + 60 * given.minutes, missing(given.kept, given.replays)
    chunk = 4 * given.workers
    with ProcessPoolExecutor(given.workers) as pool, given.kept.open("a") as file:
        for i in range(0, len(keys), chunk):
            if time.monotonic() > until:
                break
            names, seeds = zip(*keys[i : i + chunk], strict=True)
            counts = [given.random] * len(names), [given.chosen] * len(names)
            folders = [given.features] * len(names)
            for found in pool.map(replayed, folders, names, seeds, *counts):
                file.write(f"\n{json.dumps([asdict(one) for one in found])}")
            file.flush()
    sys.stdout.write("\n".join(table(pd.DataFrame(list(rows_in(given.kept))))) + "\n")


if __name__ == "__main__":
    main()
