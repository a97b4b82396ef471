"""Audit labels with hidden truth: bias, coverage, and labels saved against random auditing.

    python tests/benchmarks/audit.py SHIFTS.jsonl [--replays N] [--labels N ...]

Reads the records of tests/benchmarks/unlabelled.py: for every shift and seed the answers of
source-only and of one adapted method on held-out target images, and the hidden labels. The
images of each replay are drawn with replacement, so that what is estimated is the gap on
further images like these, of which the records hold the exact value.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autotransfer.scenarios.unlabelled.audit import draw, estimate

LABELS = (25, 50, 100)
FEWEST = 2  # images for each label, for a pair to be audited with so many


@dataclass(frozen=True)
class Pair:
    """Answers of two predictors to the same images, and the truth.

    Args:
        name: Shift, seed and method.
        adapted: (n,) answers of the adapted predictor.
        plain: (n,) answers of source-only.
        truth: (n,) classes.
    """

    name: str
    adapted: NDArray[np.int64]
    plain: NDArray[np.int64]
    truth: NDArray[np.int64]

    @property
    def gap(self) -> float:
        """Return the accuracy of the adapted predictor minus that of source-only."""
        return float((self.adapted == self.truth).mean() - (self.plain == self.truth).mean())


def main() -> None:
    """Print one line for each number of labels, and the worst pair."""
    parser = argparse.ArgumentParser()
    parser.add_argument("records", type=Path)
    parser.add_argument("--replays", type=int, default=2000)
    parser.add_argument("--labels", type=int, nargs="*", default=list(LABELS))
    chosen = parser.parse_args()
    pairs = list(_pairs(chosen.records))
    print(f"{len(pairs)} pairs, {chosen.replays} replays of each")  # noqa: T201
    print("| labels | pairs | bias, points | worst | coverage | worst | saved |")  # noqa: T201
    print("|---|---|---|---|---|---|---|")  # noqa: T201
    for num_labels in chosen.labels:
        large = [pair for pair in pairs if len(pair.truth) >= FEWEST * num_labels]
        found = np.array(
            [_replayed(pair, num_labels, chosen.replays, seed) for seed, pair in enumerate(large)]
        )
        bias, error, covered, saved = found.T
        error = np.sqrt(np.square(error).sum()) / len(error)
        print(  # noqa: T201
            f"| {num_labels} | {len(large)} | {100 * bias.mean():+.2f} ± {100 * error:.2f} | "
            f"{100 * bias[np.abs(bias).argmax()]:+.2f} | "
            f"{covered.mean():.1%} | {covered.min():.1%} | {np.median(saved):.0%} |"
        )


def _replayed(
    pair: Pair, num_labels: int, replays: int, seed: int
) -> tuple[float, float, float, float]:
    """Return bias, its Monte-Carlo error, coverage, and the share of labels saved.

    Random auditing labels a plain sample; its variance falls with one over the labels, so the
    ratio of both variances is the ratio of labels for the same precision.
    """
    rng = np.random.default_rng(seed)
    n, values, covered, at_random = len(pair.truth), [], 0, []
    for replay in range(replays):
        drawn = rng.integers(0, n, n)
        adapted, plain, truth = pair.adapted[drawn], pair.plain[drawn], pair.truth[drawn]
        asked = draw(adapted, plain, num_labels, seed=seed * replays + replay)
        labels = {position: int(truth[position]) for position in asked.positions}
        found = estimate(asked, labels, adapted, plain).gap
        values.append(found.value)
        covered += found.low <= pair.gap <= found.high
        some = rng.choice(n, num_labels, replace=False)
        hits = (adapted[some] == truth[some]).astype(float) - (plain[some] == truth[some])
        at_random.append(hits.mean())
    spread, random_spread = np.var(values), np.var(at_random)
    return (
        float(np.mean(values)) - pair.gap,
        float(np.std(values) / np.sqrt(replays)),
        covered / replays,
        float(1 - spread / max(random_spread, 1e-12)),
    )


def _pairs(path: Path) -> Iterator[Pair]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    cells = dict.fromkeys((row["shift"], row["seed"]) for row in rows)
    for shift, seed in cells:
        here = [r for r in rows if (r["shift"], r["seed"]) == (shift, seed) and "truth" in r]
        plain = next((r for r in here if r["method"] == "source-only"), None)
        for row in here:
            if plain is not None and row["adapts"] and row["params"] == "{}":
                arrays = (np.array(v) for v in (row["answers"], plain["answers"], row["truth"]))
                yield Pair(f"{shift} {seed} {row['method']}", *arrays)


if __name__ == "__main__":
    main()
