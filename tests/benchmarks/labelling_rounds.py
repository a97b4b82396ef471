"""Rounds of labelling from cached features against random, margin, k-centre and typical-only.

Rounds of 20 labels up to 200, from none, on pools of the kit; accuracy of a ridge probe on three
sources side by side, on a third of the pool that nobody may ask for. The area is the mean over
the rounds. At the end stands what each rule is above ours on the same pools and seeds: they differ
by more than rules do. The features are those that `tests/benchmarks/transfer_record.py` leaves.

    python -m tests.benchmarks.labelling_rounds --features FOLDER --seeds 5
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autotransfer.labelling.picking import TYPICAL_BELOW, pick, principal, typical
from autotransfer.labelling.suggestion import RANDOM_SHARE, RESERVED
from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.heads.ridge import fit_ridge
from autotransfer.models.single_thread import single_thread

POOLS = {
    "eurosat": ("eurosat",),
    "flowers5": ("flowers5",),
    "cifar10": ("cifar10",),
    "pacs": ("pacs-photo", "pacs-art", "pacs-sketch"),
}
SOURCES = ("mobilenetv1-100-imagenet", "efficientnet-lite0-imagenet", "mobilenetv2-imagenet")
ROUND, MOST = 20, 200
OURS = "ours"

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Policy = Callable[[Floats, Ints, Ints, Ints, int], Ints]


def side_by_side(folder: Path, parts: Sequence[str]) -> tuple[Floats, Ints]:
    """Return (n, d) features of all sources and (n,) classes of the pools of some names."""
    blocks = []
    for source in SOURCES:
        x = np.concatenate([_stage(folder / part / f"{source}.npz") for part in parts])
        blocks.append(unit_rows(x - x.mean(axis=0)).astype(np.float32))
    labels = []
    for part in parts:
        with np.load(folder / part / "pool.npz") as kept:
            labels.append(kept["labels"].astype(np.int64))
    return np.concatenate(blocks, axis=1) / np.float32(np.sqrt(len(SOURCES))), np.concatenate(
        labels
    )


def _stage(path: Path) -> Floats:
    with np.load(path) as kept:
        last: Floats = kept[f"stage {len(kept.files)}"].astype(np.float32)
    return last


def random(_x: Floats, _y: Ints, _known: Ints, free: Ints, seed: int) -> Ints:
    """Return images at random."""
    return np.random.default_rng(seed).permutation(free)[:ROUND]


def margin(x: Floats, y: Ints, known: Ints, free: Ints, seed: int) -> Ints:
    """Return the images whose two best classes are nearest."""
    if len(np.unique(y[known])) < 2:
        return random(x, y, known, free, seed)
    scores = np.sort(_scores(x, y, known, free), axis=1)
    found: Ints = free[np.argsort(scores[:, -1] - scores[:, -2])[:ROUND]]
    return found


def k_centre(x: Floats, _y: Ints, known: Ints, free: Ints, seed: int) -> Ints:
    """Return the images farthest from all labelled ones, one after another."""
    z = principal(x)
    chosen = list(known) or [int(np.random.default_rng(seed).choice(free))]
    found = [] if len(known) else list(chosen)
    distance = np.min([np.square(z[free] - z[i]).sum(axis=1) for i in chosen], axis=0)
    while len(found) < ROUND:
        best = int(free[np.argmax(distance)])
        found.append(best)
        distance = np.minimum(distance, np.square(z[free] - z[best]).sum(axis=1))
    return np.array(found)


def typical_only(x: Floats, _y: Ints, known: Ints, free: Ints, seed: int) -> Ints:
    """Return typical images of clusters without a label, in every round."""
    z = principal(x)
    return free[typical(z[free], ROUND, z[known], seed=seed)]


def ours(x: Floats, y: Ints, known: Ints, free: Ints, seed: int) -> Ints:
    """Return what `autotransfer label` asks for, its random third included."""
    order = np.random.default_rng(0).permutation(len(x))
    kept = order[: round(RESERVED * len(x))]
    reserve = kept[np.isin(kept, free)]  # in the order of the draw
    drawn = reserve[: round(RANDOM_SHARE * ROUND)]
    others = np.setdiff1d(free, kept)
    picked = others[pick(x[others], ROUND - len(drawn), x[known], y[known], seed=seed)]
    return np.concatenate([drawn, picked])


def ours_chosen_only(x: Floats, y: Ints, known: Ints, free: Ints, seed: int) -> Ints:
    """Return what is chosen alone: what the random third costs."""
    return free[pick(x[free], ROUND, x[known], y[known], seed=seed)]


POLICIES: dict[str, Policy] = {
    "random": random,
    "margin": margin,
    "k-centre": k_centre,
    "typical only": typical_only,
    OURS: ours,
    "ours, no random part": ours_chosen_only,
}


def _scores(x: Floats, y: Ints, known: Ints, shown: Ints) -> NDArray[np.float64]:
    present, places = np.unique(y[known], return_inverse=True)
    head = fit_ridge(x[known], places, len(present), standardise=False)
    found = np.full((len(shown), y.max() + 1), -np.inf)
    found[:, present] = x[shown] @ head.weight.T + head.bias
    return found


def accuracies(policy: Policy, x: Floats, y: Ints, seed: int) -> list[float]:
    """Return the accuracy after each round."""
    order = np.random.default_rng(1000 + seed).permutation(len(y))
    tested, pool = np.sort(order[: len(y) // 3]), np.sort(order[len(y) // 3 :])
    inner, answers = x[pool], y[pool]
    known, found = np.zeros(0, dtype=np.int64), []
    while len(known) < MOST:
        free = np.setdiff1d(np.arange(len(pool)), known)
        new = policy(inner, answers, known, free, seed + len(known))
        known = np.concatenate([known, new])
        if len(np.unique(answers[known])) < 2:
            found.append(float((y[tested] == answers[known][0]).mean()))
            continue
        said = _scores(x, y, pool[known], tested).argmax(axis=1)
        found.append(float((said == y[tested]).mean()))
    return found


def above(areas: Mapping[tuple[str, str], Floats]) -> Iterator[str]:
    """Yield what each rule is above ours in pairs of a pool and a seed, and its standard error.

    Args:
        areas: (S,) areas by seed, in points, by pool and rule.
    """
    pools = sorted({pool for pool, _ in areas})
    for name in sorted({name for _, name in areas} - {OURS}):
        gains = np.concatenate([areas[pool, name] - areas[pool, OURS] for pool in pools])
        error = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else 0.0
        yield f"{name}: {gains.mean():+.2f} ± {error:.2f} above {OURS}, {len(gains)} pairs\n"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--pools", nargs="+", default=list(POOLS))
    parser.add_argument("--policies", nargs="+", default=list(POLICIES))
    given = parser.parse_args()
    sys.stdout.write(f"typical below {TYPICAL_BELOW} labels a class\n")
    found: dict[tuple[str, str], Floats] = {}
    with single_thread():
        for pool in given.pools:
            x, y = side_by_side(given.features, POOLS[pool])
            for name in given.policies:
                curves = np.array(
                    [accuracies(POLICIES[name], x, y, seed) for seed in range(given.seeds)]
                )
                areas = found[pool, name] = 100 * curves.mean(axis=1)
                shown = " ".join(f"{100 * a:.1f}" for a in curves.mean(axis=0))
                sys.stdout.write(
                    f"{pool:12} {name:22} area {areas.mean():.2f} ± "
                    f"{areas.std(ddof=1) / np.sqrt(len(areas)) if len(areas) > 1 else 0:.2f}; "
                    f"{shown}\n"
                )
                sys.stdout.flush()
    if OURS in given.policies:
        sys.stdout.writelines(above(found))


if __name__ == "__main__":
    main()
