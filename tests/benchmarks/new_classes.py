"""Whether a class that nobody has named is offered as one, and how soon it is asked for.

One class of a pool of the kit gets no label, the others 5 or 20 each; all their other images and
12 of the hidden class are what is asked from, 20 at a time. *Found*: most images of one of the
offered clusters are of the hidden class; *for nothing*: a cluster is offered though every class
has labels. *Asked*: how likely one of the first 20 images is of the hidden class, with clusters
that are offered, without them, and at random. Features of three sources side by side, as in
`labelling_rounds.py`.

    python -m tests.benchmarks.new_classes --features FOLDER [--seeds 5]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autotransfer.labelling.clusters import new_classes
from autotransfer.labelling.picking import pick
from autotransfer.labelling.suggesting import NEW_SHARE, OF_A_NEW_CLASS
from autotransfer.labelling.suggestion import RANDOM_SHARE
from autotransfer.models.single_thread import single_thread
from tests.benchmarks.labelling_rounds import SOURCES, side_by_side

CHOOSING = ("awa-seen", "caltech30", "cifar10", "grocery", "mnist", "pacs-photo")
JUDGING = ("eurosat", "flowers5", "fashion", "bccd")
SIZES, ROUND, MOST_CLASSES = (5, 20), 20, 10
HIDDEN = 12  # images of the hidden class

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def reached(x: Floats, y: Ints, labelled: Ints, hidden: int, seed: int) -> dict[str, float]:
    """Return what becomes of a hidden class; -1 hides none."""
    pool = np.setdiff1d(np.arange(len(y)), labelled)
    found = new_classes(x[pool], x[labelled], y[labelled])
    shares = [float((y[pool[members]] == hidden).mean()) for members in found]
    if hidden < 0:
        return {"for nothing": float(len(found) > 0)}
    best = int(np.argmax(shares)) if shares else -1
    mine = (y[pool] == hidden).sum()
    of_best = (y[pool[found[best]]] == hidden).sum() if shares else 0
    share, wanted = float(mine / len(pool)), ROUND - round(RANDOM_SHARE * ROUND)
    at_random = 1 - (1 - share) ** ROUND
    offered = asked_of(x[pool], found, wanted)
    rest = np.setdiff1d(np.arange(len(pool)), offered)
    more = rest[pick(x[pool[rest]], wanted - len(offered), x[labelled], y[labelled], seed=seed)]
    plain = pick(x[pool], wanted, x[labelled], y[labelled], seed=seed)
    lucky = 1 - (1 - share) ** (ROUND - wanted)  # of the part that is drawn at random
    return {
        "found": float(bool(shares) and shares[best] > 0.5),
        "clusters": len(found),
        "purity": shares[best] if shares else np.nan,
        "recall": float(of_best / mine),
        "asked": _once(y[pool[np.concatenate([offered, more])]] == hidden, lucky),
        "asked, none offered": _once(y[pool[plain]] == hidden, lucky),
        "at random": at_random,
    }


def asked_of(pool: Floats, found: Sequence[Ints], wanted: int) -> Ints:
    """Return the images of each offered cluster that `autotransfer label` asks for."""
    chosen = list[int]()
    for members in found:
        if len(chosen) + OF_A_NEW_CLASS > NEW_SHARE * wanted:
            break
        middle = pool[members].mean(axis=0)
        nearest = np.argsort(np.square(pool[members] - middle).sum(axis=1), kind="stable")
        chosen += members[nearest[:OF_A_NEW_CLASS]].tolist()
    return np.array(chosen, dtype=np.int64)


def _once(hits: NDArray[np.bool_], lucky: float) -> float:
    return 1.0 if hits.any() else lucky


def replays(folder: Path, pool: str, seeds: int) -> Iterator[dict[str, object]]:
    """Yield every replay of a pool."""
    x, y = side_by_side(folder, (pool,))
    present = np.unique(y)
    for size in SIZES:
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            classes = np.sort(rng.permutation(present)[:MOST_CLASSES])
            mine = np.flatnonzero(np.isin(y, classes))
            inner, labels = x[mine], np.searchsorted(classes, y[mine])
            if np.bincount(labels).min() < 1.5 * size:
                continue
            order = rng.permutation(len(labels))
            dealt = [order[labels[order] == k][:size] for k in range(len(classes))]
            hidden = int(rng.integers(len(classes)))
            for one in (hidden, -1):
                labelled = np.concatenate([m for k, m in enumerate(dealt) if k != one])
                left_out = order[labels[order] == one][HIDDEN:]
                kept = np.setdiff1d(np.arange(len(labels)), left_out)
                known = np.isin(kept, labelled)
                yield {
                    "pool": pool, "size": size,
                    **reached(inner[kept], labels[kept], np.flatnonzero(known), one, seed),
                }  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--pools", nargs="+", default=[*CHOOSING, *JUDGING])
    given = parser.parse_args()
    with single_thread():
        found = pd.DataFrame(
            [row for pool in given.pools for row in replays(given.features, pool, given.seeds)]
        )
    for title, pools in (("choosing", CHOOSING), ("judging", JUDGING)):
        of = found[found["pool"].isin(pools)]
        if len(of):
            means = of.groupby(["pool", "size"]).mean(numeric_only=True)
            means.loc[("mean", 5), :] = of[of["size"] == 5].mean(numeric_only=True)
            means.loc[("mean", 20), :] = of[of["size"] == 20].mean(numeric_only=True)
            sys.stdout.write(f"{title}, {', '.join(SOURCES)}\n{means.round(2).to_string()}\n")


if __name__ == "__main__":
    main()
