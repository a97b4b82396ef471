"""Why a gap that is tested out of fold errs more than a held-out one, and more often upwards.

    python -m tests.benchmarks.guard_choice RECORDS [IMAGES...] [--replays 500] [--labels 400]

Over the draws of `guard_draws.py`: a trial that was fixed beforehand, and the trial that each fold
chooses by the other folds, against each of the three baselines. The interval is the plain one of a
mean, without inflation. The choice flatters nobody on average, but where all folds choose the same
trial it is often because that trial was lucky in all of them.

Prints two Markdown tables: of the draws, and of trials that are equally good and err independently
in every fold, which have no images and no networks to blame.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import skew

from autotransfer.guard.guard import INFLATION
from autotransfer.models.metrics import metric_named
from autotransfer.search.choice import Terms, choose
from tests.benchmarks.guard_draws import BASELINES, FOLDS, TRIALS, Draw, data_sets, draws

ACCURACY = metric_named("accuracy")
Z = 1.96
HEADER = (
    "| finalist | pairs | mean gap less true gap | variance, 1 = the interval's | skewness "
    "| low limit above the true gap | high limit below it | all folds agree "
    "| gap less true gap where they do | and where not |\n" + "|---" * 10 + "|\n"
)
LEVEL_TRIALS = (1, 2, 3, 10, 30, 100)
LEVEL_HEADER = (
    "\n| level trials | mean error | variance | skewness | limits err above / below "
    f"| with the variance times {INFLATION} |\n" + "|---" * 6 + "|\n"
)


class Pair(NamedTuple):
    """One finalist against one baseline.

    Args:
        error: Gap that was found less the true one.
        standard_error: Of the error: from the images that were drawn, and from those left.
        agree: Whether every fold chose the same trial.
    """

    error: float
    standard_error: float
    agree: bool


def pairs(draw: Draw) -> Iterator[tuple[str, Pair]]:
    """Yield who competes with the pair, for every baseline and every finalist."""
    hits = draw.rungs[-1].argmax(axis=-1) == draw.labels  # (models, n)
    left = draw.left.argmax(axis=-1) == draw.truth  # (folds, models, p)
    best = _best_by_other_folds(draw)
    for baseline in range(TRIALS, TRIALS + BASELINES):
        for trial in range(TRIALS):
            yield "a trial fixed beforehand", _pair([trial] * FOLDS, baseline, draw, hits, left)
        yield "the best of ten, by the other folds", _pair(best, baseline, draw, hits, left)


def _best_by_other_folds(draw: Draw) -> list[int]:
    found: list[int] = []
    for fold in range(FOLDS):
        others = draw.folds != fold
        said = {m: draw.rungs[-1, m, others] / 255 + 1e-3 for m in range(TRIALS)}
        labels, folds = draw.labels[others], draw.folds[others]
        found += choose(said, folds, labels, Terms(ACCURACY, combine=False)).weights
    return found


def _pair(
    chosen: Sequence[int],
    baseline: int,
    draw: Draw,
    hits: NDArray[np.bool_],
    left: NDArray[np.bool_],
) -> Pair:
    own = hits[np.asarray(chosen)[draw.folds], np.arange(len(draw.labels))]
    won = own.astype(np.float64) - hits[baseline]
    true = (left[np.arange(FOLDS), chosen].astype(np.float64) - left[:, baseline]).mean(axis=0)
    variance = won.var() / len(won) + true.var() / len(true)
    return Pair(won.mean() - true.mean(), variance**0.5, len(set(chosen)) == 1)


def _row(who: str, found: Sequence[Pair]) -> str:
    error, standard_error, agree = (np.array(column) for column in zip(*found, strict=True))
    scaled = error / standard_error
    cells = [
        who,
        f"{len(found)}",
        f"{100 * error.mean():+.2f}",
        f"{(scaled**2).mean():.2f}",
        f"{skew(error):+.2f}",
        f"{(scaled > Z).mean():.1%}",
        f"{(scaled < -Z).mean():.1%}",
        f"{agree.mean():.0%}",
        f"{100 * error[agree].mean():+.2f}",
        f"{100 * error[~agree].mean():+.2f}" if not agree.all() else "-",
    ]
    return f"| {' | '.join(cells)} |\n"


def level_trials(trials: int, draws: int = 20_000) -> NDArray[np.float64]:
    """Return (draws,) errors of a choice among trials of the same skill.

    The unit is the standard error of a gap between one of them and the baseline.
    """
    rng = np.random.default_rng(trials)
    errors = rng.standard_normal((draws, trials, FOLDS))
    by_others = errors.sum(axis=2, keepdims=True) - errors
    chosen = by_others.argmax(axis=1, keepdims=True)  # (draws, 1, folds)
    found = np.take_along_axis(errors, chosen, axis=1)[:, 0] - rng.standard_normal((draws, FOLDS))
    scaled: NDArray[np.float64] = found.mean(axis=1) / (2 / FOLDS) ** 0.5
    return scaled


def _level_row(trials: int) -> str:
    errors = level_trials(trials)
    moved = Z * INFLATION**0.5
    cells = [
        f"{trials}",
        f"{errors.mean():+.2f}",
        f"{errors.var():.2f}",
        f"{skew(errors):+.2f}",
        f"{(errors > Z).mean():.1%} / {(errors < -Z).mean():.1%}",
        f"{(errors > moved).mean():.1%} / {(errors < -moved).mean():.1%}",
    ]
    return f"| {' | '.join(cells)} |\n"


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("records", type=Path)
    parser.add_argument("images", nargs="*", help="targets beside the digits")
    parser.add_argument("--replays", type=int, default=500, help="of each data set")
    parser.add_argument("--labels", type=int, default=400)
    given = parser.parse_args()
    found: dict[str, list[Pair]] = {}
    for name, x, y in data_sets(given.images):
        asked = {"labels": given.labels, "replays": given.replays}
        for draw in draws(given.records, name, x, y, regime="open", **asked):
            for who, pair in pairs(draw):
                found.setdefault(who, []).append(pair)
        sys.stderr.write(f"{name}\n")
    sys.stdout.write(HEADER + "".join(_row(who, rows) for who, rows in found.items()))
    sys.stdout.write(LEVEL_HEADER + "".join(_level_row(trials) for trials in LEVEL_TRIALS))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
