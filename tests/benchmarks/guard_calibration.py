"""How often the guard errs: replays of transfers whose true gap is known.

    python -m tests.benchmarks.guard_calibration RECORDS [IMAGES...] [--replays 500]
        [--labels 400] [--planted 0 0.05 0.1] [--inflation 1.2] [--regimes open held-out]

For each data set (scikit-learn's digits, and every target that is named) many draws of so many
labelled images are made; all other images are the truth. In each draw 13 small networks start
from independent random weights and learn from the images: ten play the trials of a search (an
untrained source, so transfer is neutral), three the baselines, which stand together as a mixture
as well where the test is out of fold. The ten compete as trials do: a clearly weaker one is pruned
at a rung, the best one wins, or an ensemble of several, and its temperature is fitted. The guard
then tests the winner against the best of the baselines.

Predictions are recorded once, in the folder RECORDS, and the guard is replayed over them: its
verdict against the true gap on the images that are left, cross-fitted and with 30 % held-out.
The draws are in `guard_draws.py`. A planted gap breaks so many of the baselines' answers.

Prints two Markdown tables: the verdicts, and how often a limit of the 95 % interval is on the
wrong side of the true gap, for the gap to the best of all baselines and to one that stands alone.
The true gap is itself measured, on the images that are left: its standard error is added to the
limits in quadrature (Zou and Donner 2008, Statistics in Medicine 27), else good limits would seem
to fail.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from autotransfer.guard.baseline_mixture import fit_mixture, mixed_out_of_fold
from autotransfer.guard.bootstrap import Comparison, compare
from autotransfer.guard.guard import INFLATION
from autotransfer.guard.out_of_fold import select_out_of_fold
from autotransfer.guard.verdict import default_margin, judge
from autotransfer.models.metrics import metric_named
from autotransfer.results import Decision
from autotransfer.search.choice import Terms, choose
from autotransfer.search.pruning import RUNGS_PER_FOLD
from tests.benchmarks.guard_draws import BASELINES, FOLDS, TRIALS, Draw, data_sets, draws

ACCURACY = metric_named("accuracy")
Z = 1.96


@dataclass(frozen=True)
class Claim:
    """A gap with its interval, and the truth that it is about.

    Args:
        gap: What was found.
        low: Limit of its 95 % interval.
        high: The other limit.
        truth: The gap on the images that are left.
        error: Standard error of the truth.
    """

    gap: float
    low: float
    high: float
    truth: float
    error: float

    @property
    def above(self) -> bool:
        """Return whether the low limit, less what the truth may err by, is above the truth."""
        return self.gap - float(np.hypot(self.gap - self.low, Z * self.error)) > self.truth

    @property
    def below(self) -> bool:
        """Return whether the high limit, and what the truth may err by, is below the truth."""
        return self.gap + float(np.hypot(self.high - self.gap, Z * self.error)) < self.truth


@dataclass(frozen=True)
class Replay:
    """What the guard said, and what is true.

    Args:
        decision: The verdict.
        best: The gap to the best baseline.
        alone: The gap to the first baseline, had there been no other.
        refitted: Accuracy of the model that learnt from all open images.
    """

    decision: Decision
    best: Claim
    alone: Claim
    refitted: float


def replay(
    draw: Draw, planted: float, inflations: Sequence[float], seed: int
) -> Iterator[tuple[float, Replay]]:
    """Yield each inflation with the verdict of the draw.

    The test is on the held-out items where the draw has some, else cross-fitted.
    """
    rng = np.random.default_rng(seed)
    trials = _survivors(draw)
    baselines = range(TRIALS, TRIALS + BASELINES)
    inside = draw.folds >= 0
    labels, folds = draw.labels[inside], draw.folds[inside]
    said = {m: _shares(draw.rungs[-1, m, inside]) for m in trials}
    left = {m: _shares(draw.left[:, m]) for m in (*trials, *baselines)}
    whole = {m: _shares(draw.whole[m]) for m in (*trials, *baselines)}
    chosen = choose(said, folds, labels, Terms(ACCURACY))
    refitted = _hits(chosen.mix(whole), draw.truth)
    if inside.all():
        found = select_out_of_fold(said, folds, labels, Terms(ACCURACY))
        finalist, tested = found.probabilities, labels
        rivals = {str(b): _shares(draw.rungs[-1, b]) for b in baselines}
        parts = [
            choice.mix({m: p[f] for m, p in left.items()}) for f, choice in enumerate(found.chosen)
        ]
        true = _hits(np.stack(parts), draw.truth)
        rivals_true = [_hits(left[b], draw.truth) for b in baselines]
        rivals_true.append(_together(rivals, left, folds, draw))
        rivals["together"] = mixed_out_of_fold(rivals, folds, labels)
    else:
        tested = draw.labels[~inside]
        finalist = chosen.mix({m: _shares(draw.sealed[m]) for m in trials})
        rivals = {str(b): _shares(draw.sealed[b]) for b in baselines}
        true = refitted
        rivals_true = [_hits(whole[b], draw.truth) for b in baselines]
    broken = {name: _broken(p, tested, planted, rng) for name, p in rivals.items()}
    differences = [true - (1 - planted) * other for other in rivals_true]
    first = {name: broken[name] for name in list(broken)[:1]}
    for inflation in inflations:
        best, alone = (
            compare(ACCURACY, tested, finalist, others, inflation=inflation, draws=1000)
            for others in (broken, first)
        )
        yield (
            inflation,
            Replay(
                judge(best, margin=default_margin(ACCURACY, len(tested))),
                _claim(best, min(differences, key=np.mean)),
                _claim(alone, differences[0]),
                float(refitted.mean()),
            ),
        )


def _claim(comparison: Comparison, differences: NDArray[np.float64]) -> Claim:
    """Return what was claimed, and the truth: the mean of (p,) differences of accuracy."""
    gap, error = comparison.gap, differences.std() / len(differences) ** 0.5
    return Claim(gap.value, gap.low, gap.high, float(differences.mean()), float(error))


def _together(
    rivals: Mapping[str, NDArray[np.float64]],
    left: Mapping[int, NDArray[np.float64]],
    folds: NDArray[np.int64],
    draw: Draw,
) -> NDArray[np.float64]:
    """Return the (p,) true accuracy of the baselines' mixture, the mean over the folds."""
    found = []
    for fold in range(FOLDS):
        others = {name: p[folds != fold] for name, p in rivals.items()}
        mixture = fit_mixture(others, draw.labels[folds != fold])
        found.append(mixture.mix({name: left[int(name)][fold] for name in rivals}))
    return _hits(np.stack(found), draw.truth)


def _survivors(draw: Draw) -> list[int]:
    """Return the trials that no rung of the first fold pruned."""
    first = draw.folds == 0
    alive = list(range(TRIALS))
    for rung in range(RUNGS_PER_FOLD - 1):
        scores = {
            m: _accuracy(_shares(draw.rungs[rung, m, first]), draw.labels[first]) for m in alive
        }
        middle = float(np.median(list(scores.values())))
        error = (max(middle * (1 - middle), 0.01) / first.sum()) ** 0.5
        alive = [m for m in alive if scores[m] >= middle - error]
    return alive


def _shares(stored: NDArray[np.uint8]) -> NDArray[np.float64]:
    shares = stored.astype(np.float64) + 1e-3
    normalised: NDArray[np.float64] = shares / shares.sum(axis=-1, keepdims=True)
    return normalised


def _accuracy(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    return float((probabilities.argmax(axis=1) == labels).mean())


def _hits(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the (p,) share of the models, none or several, that are right on each image."""
    right = np.atleast_2d(probabilities.argmax(axis=-1) == labels)
    share: NDArray[np.float64] = right.mean(axis=0)
    return share


def _broken(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    share: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the predictions with that share of the right answers made wrong."""
    spoilt = probabilities.copy()
    chosen = np.flatnonzero(rng.random(len(labels)) < share)
    chosen = chosen[probabilities[chosen].argmax(axis=1) == labels[chosen]]
    spoilt[chosen] = np.roll(spoilt[chosen], 1, axis=1)
    return spoilt


Results: TypeAlias = dict[tuple[str, float, float], list[Replay]]


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("records", type=Path)
    parser.add_argument("pictures", nargs="*")
    parser.add_argument("--replays", type=int, default=500, help="of each data set")
    parser.add_argument("--labels", type=int, default=400)
    parser.add_argument("--planted", type=float, nargs="+", default=[0.0, 0.05, 0.1])
    parser.add_argument("--inflation", type=float, nargs="+", default=[INFLATION])
    parser.add_argument("--regimes", nargs="+", default=["open", "sealed"])
    given = parser.parse_args()
    results: Results = {}
    for name, x, y in data_sets(given.images):
        for regime in given.regimes:
            inflations = given.inflation if regime == "open" else [1.0]
            recorded = draws(
                given.records,
                name,
                x,
                y,
                labels=given.labels,
                replays=given.replays,
                regime=regime,
            )
            for seed, draw in enumerate(recorded):
                for planted in given.planted:
                    for inflation, found in replay(draw, planted, inflations, seed):
                        results.setdefault((regime, planted, inflation), []).append(found)
        sys.stderr.write(f"{name}\n")
    sys.stdout.write(_verdicts(results) + "\n" + _limits(results))
    return 0


def _verdicts(results: Results) -> str:
    """Return the table of the verdicts."""
    lines = [
        "| tested on | planted | inflation | replays | mean true gap | positive | negative "
        "| positive, though the true gap is not | negative, though it is not | refitted |",
        "|---" * 10 + "|",
    ]
    for key, replays in results.items():
        decisions = np.array([r.decision for r in replays])
        truth = np.array([r.best.truth for r in replays])
        positive, negative = decisions == Decision.POSITIVE, decisions == Decision.NEGATIVE
        cells = [
            *_named(key),
            str(len(replays)),
            f"{100 * truth.mean():+.2f}",
            _share(positive),
            _share(negative),
            _share(positive & (truth <= 0)),
            _share(negative & (truth >= 0)),
            f"{100 * np.mean([r.refitted for r in replays]):.2f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _limits(results: Results) -> str:
    """Return the table of the limits that are on the wrong side of the true gap."""
    lines = [
        "| tested on | planted | inflation | gap to | replays | mean gap less true gap "
        "| low limit above the true gap | high limit below it | covered |",
        "|---" * 9 + "|",
    ]
    for key, replays in results.items():
        claims = {
            "the best baseline": [r.best for r in replays],
            "one baseline alone": [r.alone for r in replays],
        }
        for rival, found in claims.items():
            off = np.array([100 * (claim.gap - claim.truth) for claim in found])
            above = np.array([claim.above for claim in found])
            below = np.array([claim.below for claim in found])
            cells = [
                *_named(key),
                rival,
                str(len(found)),
                f"{off.mean():+.2f} ± {off.std() / len(off) ** 0.5:.2f}",
                _share(above),
                _share(below),
                f"{100 * (1 - (above | below).mean()):.1f} %",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _named(key: tuple[str, float, float]) -> list[str]:
    regime, planted, inflation = key
    tested = {"open": "out of fold", "sealed": "30 % held-out"}[regime]
    return [tested, f"{100 * planted:.0f} %", f"{inflation:g}"]


def _share(events: NDArray[np.bool_]) -> str:
    """Return the share with its upper 95 % limit."""
    count, n = int(events.sum()), len(events)
    limit = 1.0 if count == n else float(beta.ppf(0.95, count + 1, n - count))
    return f"{100 * count / n:.1f} % (≤ {100 * limit:.1f})"


if __name__ == "__main__":
    sys.exit(main())
