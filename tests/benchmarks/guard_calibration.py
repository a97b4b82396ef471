"""How often the guard errs: replays of transfers whose true gap is known.

    python -m tests.benchmarks.guard_calibration RECORDS [IMAGES...] [--replays 500]
        [--first 0] [--labels 400] [--planted 0 0.05 0.1 0.2] [--inflation 1.1]
        [--regimes open sealed]

For each data set (scikit-learn's digits, and every target that is named) many draws of so many
labelled images are made; all other images are the truth. In each draw 13 small networks
start from independent random weights and learn from the images: ten play the trials of a search
(an untrained source, so transfer is neutral), three the baselines. The ten compete as trials do: a
clearly weaker one is pruned at a rung, the best one wins, or an ensemble of several, and its
temperature is fitted. The guard then tests the winner against the rival that the others choose
among the baselines: their mixture, or one alone.

Predictions are recorded once, in the folder RECORDS, and the guard is replayed over them: its
verdict against the true gap on the images that are left, out of fold and with 30 % held-out. The
truth is about the same claim: the gap between choosing a finalist and choosing a rival, with what
each round has chosen. The draws are in `guard_draws.py`; those from number 500 on have chosen the
rule. A planted gap breaks so many of the rival's right answers.

Prints two Markdown tables: the verdicts, and how often a limit of the 95 % interval is on the
wrong side of the true gap. The true gap is itself measured, on the images that are left: its
standard error is added to the limits in quadrature (Zou and Donner 2008, Statistics in Medicine
27), else good limits would seem to fail.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from autotransfer.guard.baseline_mixture import Mixture, choose_baseline, chosen_out_of_fold
from autotransfer.guard.bootstrap import Comparison, compare
from autotransfer.guard.guard import INFLATION
from autotransfer.guard.out_of_fold import select_out_of_fold
from autotransfer.guard.verdict import default_margin, judge
from autotransfer.models.metrics import metric_named
from autotransfer.results import Decision
from autotransfer.search.choice import Choice, Terms, choose
from autotransfer.search.pruning import RUNGS_PER_FOLD
from tests.benchmarks.guard_draws import BASELINES, FOLDS, TRIALS, Draw, Floats, data_sets, draws

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
    def scaled(self) -> float:
        """Return the error of the gap in standard errors, of the interval and of the truth."""
        own = (self.high - self.low) / (2 * Z)
        return (self.gap - self.truth) / float(np.hypot(own, self.error))

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
        margin: The gap that counts as no difference.
        claim: The gap to the rival.
        refitted: Accuracy of the model that learnt from all open images.
    """

    decision: Decision
    margin: float
    claim: Claim
    refitted: float


@dataclass(frozen=True)
class Answered:
    """What finalist and rival of a draw said, and how good they are.

    Args:
        labels: (n,) of the tested images.
        finalist: (n, K) of the tested images, or (R, n, K).
        rival: The same.
        true: (p,) share of right answers of the finalist, on the images that are left.
        rival_true: (p,) the same of the rival.
        refitted: Accuracy of the model that learnt from all open images.
        out_of_fold: Whether nothing was held out.
    """

    labels: NDArray[np.int64]
    finalist: NDArray[np.float64]
    rival: NDArray[np.float64]
    true: NDArray[np.float64]
    rival_true: NDArray[np.float64]
    refitted: float
    out_of_fold: bool


def answered(draw: Draw) -> Answered:
    """Return what is chosen, on the held-out items where the draw has some, else out of fold."""
    trials = _survivors(draw)
    baselines = range(TRIALS, TRIALS + BASELINES)
    inside = draw.folds >= 0
    labels, folds = draw.labels[inside], draw.folds[inside]
    said = {m: _shares(draw.rungs[-1, m, inside]) for m in trials}
    others = {str(b): _shares(draw.rungs[-1, b, inside]) for b in baselines}
    whole = _logits(draw.whole)
    chosen = choose(said, folds, labels, Terms(ACCURACY))
    refitted = _hits(_mixed(chosen, whole), draw.truth)
    if inside.all():
        found = select_out_of_fold(said, folds, labels, Terms(ACCURACY))
        rival, mixtures = chosen_out_of_fold(others, folds, labels, ACCURACY)
        left = [_logits(draw.left[f]) for f in range(FOLDS)]
        true = _expected(found.chosen, left, draw.truth)
        rival_true = _expected(mixtures, left, draw.truth)
        score = float(refitted.mean())
        return Answered(labels, found.rounds, rival, true, rival_true, score, out_of_fold=True)
    mixture = choose_baseline(others, folds, labels, ACCURACY).mixture
    return Answered(
        draw.labels[~inside],
        chosen.mix({m: _shares(draw.sealed[m]) for m in trials}),
        mixture.mix({str(b): _shares(draw.sealed[b]) for b in baselines}),
        refitted,
        _hits(_mixed(mixture, whole), draw.truth),
        float(refitted.mean()),
        out_of_fold=False,
    )


def replays(
    found: Answered, planted: Sequence[float], inflations: Sequence[float], seed: int
) -> Iterator[tuple[float, float, Replay]]:
    """Yield each planted gap and inflation with the verdict; held-out items inflate nothing."""
    labels = found.labels
    margin = default_margin(ACCURACY, len(labels))
    for share in planted:
        broken = _broken(found.rival, labels, share, np.random.default_rng(seed))
        differences = found.true - (1 - share) * found.rival_true
        for factor in inflations if found.out_of_fold else [1.0]:
            seen = compare(ACCURACY, labels, found.finalist, broken, inflation=factor, draws=1000)
            decision, claim = judge(seen, margin=margin), _claim(seen, differences)
            yield share, factor, Replay(decision, margin, claim, found.refitted)


def _claim(comparison: Comparison, differences: NDArray[np.float64]) -> Claim:
    """Return what was claimed, and the truth: the mean of (p,) differences of accuracy."""
    gap, error = comparison.gap, differences.std() / len(differences) ** 0.5
    return Claim(gap.value, gap.low, gap.high, float(differences.mean()), float(error))


def _expected(
    chosen: Sequence[Choice | Mixture], left: Sequence[Floats], truth: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the (p,) share of right answers over all choices, by the networks of each fold."""
    hits = [_hits(_mixed(choice, logits), truth) for choice in chosen for logits in left]
    mean: NDArray[np.float64] = np.mean(hits, axis=0)
    return mean


def _mixed(choice: Choice | Mixture, logits: Floats) -> Floats:
    """Return the (p, K) mixture of (models, p, K), in single precision: there is much of it."""
    found: Floats = np.zeros_like(logits[0])
    temperatures = {int(name): t for name, t in choice.temperatures.items()}
    for name, weight in choice.weights.items():
        softer = np.exp(logits[int(name)] / np.float32(temperatures.get(int(name), 1.0)))
        found += softer * (np.float32(weight) / softer.sum(axis=1, keepdims=True))
    return found


def _logits(stored: NDArray[np.uint8]) -> Floats:
    logits: Floats = np.log(stored.astype(np.float32) + np.float32(1e-3))
    return logits


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


def _hits(probabilities: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the (p,) right answers."""
    hits: NDArray[np.float64] = (probabilities.argmax(axis=-1) == labels).astype(np.float64)
    return hits


def _broken(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    share: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the (n, K) or (R, n, K) predictions with right answers to that share made wrong."""
    chosen = rng.random(len(labels)) < share
    right = probabilities.argmax(axis=-1) == labels
    rolled = np.roll(probabilities, 1, axis=-1)
    return np.where((chosen & right)[..., None], rolled, probabilities)


Results: TypeAlias = dict[tuple[str, float, float], list[Replay]]


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("records", type=Path)
    parser.add_argument("images", nargs="*", help="targets beside the digits")
    parser.add_argument("--replays", type=int, default=500, help="of each data set")
    parser.add_argument("--first", type=int, default=0, help="number of the first replay")
    parser.add_argument("--labels", type=int, default=400)
    parser.add_argument("--planted", type=float, nargs="+", default=[0.0, 0.05, 0.1, 0.2])
    parser.add_argument("--inflation", type=float, nargs="+", default=[INFLATION])
    parser.add_argument("--regimes", nargs="+", default=["open", "sealed"])
    given = parser.parse_args()
    results: Results = {}
    for name, x, y in data_sets(given.images):
        for regime in given.regimes:
            recorded = draws(
                given.records,
                name,
                x,
                y,
                labels=given.labels,
                replays=given.replays,
                regime=regime,
                first=given.first,
            )
            for seed, draw in enumerate(recorded, given.first):
                verdicts = replays(answered(draw), given.planted, given.inflation, seed)
                for planted, inflation, found in verdicts:
                    results.setdefault((regime, planted, inflation), []).append(found)
        sys.stderr.write(f"{name}\n")
    sys.stdout.write(_verdicts(results) + "\n" + _limits(results))
    return 0


def _verdicts(results: Results) -> str:
    """Return the table of the verdicts."""
    lines = [
        "| tested on | planted | inflation | replays | mean true gap | positive | negative "
        "| no difference | positive, though the true gap is not | negative, though it is not "
        "| no difference, though there is one | refitted |",
        "|---" * 12 + "|",
    ]
    for key, replays in results.items():
        decisions = np.array([r.decision for r in replays])
        truth = np.array([r.claim.truth for r in replays])
        margin = np.array([r.margin for r in replays])
        positive, negative = decisions == Decision.POSITIVE, decisions == Decision.NEGATIVE
        neutral = decisions == Decision.NEUTRAL
        cells = [
            *_named(key),
            str(len(replays)),
            f"{100 * truth.mean():+.2f}",
            _share(positive),
            _share(negative),
            _share(neutral),
            _share(positive & (truth <= 0)),
            _share(negative & (truth >= 0)),
            _share(neutral & (abs(truth) > margin)),
            f"{100 * np.mean([r.refitted for r in replays]):.2f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _limits(results: Results) -> str:
    """Return the table of the limits that are on the wrong side of the true gap."""
    lines = [
        "| tested on | planted | inflation | replays | mean gap less true gap "
        "| variance, 1 = the interval's | low limit above the true gap "
        "| high limit below it | covered |",
        "|---" * 9 + "|",
    ]
    for key, replays in results.items():
        claims = [r.claim for r in replays]
        off = np.array([100 * (claim.gap - claim.truth) for claim in claims])
        above = np.array([claim.above for claim in claims])
        below = np.array([claim.below for claim in claims])
        cells = [
            *_named(key),
            str(len(claims)),
            f"{off.mean():+.2f} ± {off.std() / len(off) ** 0.5:.2f}",
            f"{np.mean([claim.scaled**2 for claim in claims]):.2f}",
            _share(above),
            _share(below),
            f"{100 * (1 - (above | below).mean()):.1f} %",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _named(key: tuple[str, float, float]) -> list[str]:
    regime, planted, inflation = key
    tested = {"open": "out of fold", "sealed": "30 % held-out"}[regime]
    return [tested, f"{100 * planted:g} %", f"{inflation:g}"]


def _share(events: NDArray[np.bool_]) -> str:
    """Return the share with its upper 95 % limit."""
    count, n = int(events.sum()), len(events)
    limit = 1.0 if count == n else float(beta.ppf(0.95, count + 1, n - count))
    return f"{100 * count / n:.1f} % (≤ {100 * limit:.1f})"


if __name__ == "__main__":
    sys.exit(main())
