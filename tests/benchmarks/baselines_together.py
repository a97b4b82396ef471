"""What choosing one baseline on a few labels costs, and what mixing them costs.

    python -m tests.benchmarks.baselines_together [--seeds 80] [--first 0]

Five digits at five labels a class, as in `tests/plugins/test_negative_transfer.py`; no transfer.
Lost is the accuracy of the best single baseline, known in hindsight on 500 images, less that of
what was chosen on the 25 images: the one with most right answers out of fold, the mixture, or
the mixture unless one alone is clearly better, which is what the guard returns.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from autotransfer.data.splitting import make_folds
from autotransfer.guard.baseline_cache import BaselineCache
from autotransfer.guard.baseline_mixture import choose_baseline, fit_mixture
from autotransfer.guard.baselines import Baselines, Predictions
from autotransfer.guard.evaluation_split import HELD_OUT_ITEMS, EvaluationSplit, out_of_fold_split
from autotransfer.models.metrics import metric_named
from autotransfer.models.predictors.baselines import MAJORITY
from autotransfer.plugin.registry import discover
from autotransfer.search.cross_validation import LabelledContext
from tests.plugins.digits_transfer import DigitsTransfer

ACCURACY = metric_named("accuracy")
LABELS_A_CLASS = 5


def lost(folder: Path, seed: int) -> tuple[float, float, float]:
    """Return what the chosen one, the mixture and the guard's choice lose against the best."""
    world = DigitsTransfer(folder / "world", seed)
    source = world.task("mis-scaled", LABELS_A_CLASS).source
    train, test = world.images(LABELS_A_CLASS)
    context = LabelledContext(train, (), None, world.readers, ACCURACY)
    baselines = Baselines(context, source, BaselineCache(discover(), folder), seed, None)
    stand = EvaluationSplit(((train, test),), np.arange(len(test)), HELD_OUT_ITEMS)
    final = _said(baselines, stand)
    folds = make_folds(train, seed=seed, every_item=True)
    tested = out_of_fold_split(train, folds, np.arange(len(train)), 1.0)
    said = {name: p for name, p in _said(baselines, tested).items() if len(p) == len(train)}
    truth, labels = test.labels, tested.labels
    best = max(ACCURACY.score(truth, p) for p in final.values())
    chosen = max(said, key=lambda name: ACCURACY.score(labels, said[name]))
    mixed = fit_mixture(said, labels).mix(final)
    guarded = choose_baseline(said, tested.folds, labels, ACCURACY).mixture.mix(final)
    one, mixture, guard = (ACCURACY.score(truth, p) for p in (final[chosen], mixed, guarded))
    return best - one, best - mixture, best - guard


def _said(baselines: Baselines, stand: EvaluationSplit) -> dict[str, Predictions]:
    """Return the predictions of every single baseline that reads images."""
    found = [b for b in baselines.on(stand) if b.choice is None]
    return {b.name: b.probabilities for b in found if b.name != MAJORITY}


def main() -> int:
    """Print one line for each way to choose."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=80)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for seed in range(given.first, given.first + given.seeds):
        with tempfile.TemporaryDirectory() as temporary:
            rows.append(lost(Path(temporary), seed))
    points = 100 * np.array(rows)
    sys.stdout.write("| returned | lost on average | more than 5 points |\n|---|---|---|\n")
    names = ("the one with most right answers", "the mixture", "the guard's choice")
    for name, of in zip(names, points.T, strict=True):
        error = of.std(ddof=1) / len(of) ** 0.5
        share = 100 * (of > 5).mean()
        sys.stdout.write(f"| {name} | {of.mean():+.2f} ± {error:.2f} | {share:.0f} % |\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
