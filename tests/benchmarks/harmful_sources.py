"""What a user gets from a source that does not fit, less what the best baseline would give.

    python tests/benchmarks/harmful_sources.py CATALOGUE IMAGES --source NAME [--source NAME]...
        [--plugin FILE] [--seeds 5] [--trials 6]

Fits on the `train` images of an archive with one source alone, and judges what is returned on
its `test` images, which the fit never sees. The baselines learn from the same images.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import autotransfer
from autotransfer.data.target import open_target
from autotransfer.errors import AutotransferWarning
from autotransfer.guard.baseline_cache import BaselineCache
from autotransfer.guard.baselines import Baselines
from autotransfer.guard.evaluation_split import HELD_OUT_ITEMS, EvaluationSplit
from autotransfer.models.metrics import metric_named
from autotransfer.scenarios.inputs import choose_sources, discover_plugins, make_readers
from autotransfer.scenarios.options import read_options
from autotransfer.search.cross_validation import LabelledContext

ACCURACY = metric_named("accuracy")


def gap(given: argparse.Namespace, name: str, seed: int) -> tuple[float, str, str]:
    """Return the gap on the test images, the verdict and what was returned."""
    place = f"zip://train::{Path(given.images).resolve()}"
    opened, test = open_target(place), open_target(given.images).held_out
    assert test is not None, "the images need a test split"
    options: dict[str, Any] = {
        "sources": given.catalogue,
        "source": (name,),
        "plugins": tuple(given.plugin),
        "seed": seed,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AutotransferWarning)
        selection = autotransfer.fit(
            place,
            budget=autotransfer.Budget(trials=given.trials),
            name=f"{name}-{seed}",
            **options,
        )
    chosen = read_options(options)
    registry = discover_plugins(chosen)
    source = choose_sources(chosen, registry, len(opened.train)).sources[0]
    context = LabelledContext(opened.train, (), None, make_readers(chosen), ACCURACY)
    baselines = Baselines(context, source, BaselineCache(registry), seed, None)
    stand = EvaluationSplit(((opened.train, test),), np.arange(len(test)), HELD_OUT_ITEMS)
    trained = [b for b in baselines.on(stand) if not b.rival]
    best = max(ACCURACY.score(test.labels, b.probabilities) for b in trained)
    got = ACCURACY.score(test.labels, selection.predict_proba(test))
    return got - best, str(selection.verdict.decision), selection.verdict.returned


def main() -> int:
    """Print one line for each source, and the mean; exit with 1 when it is below -2 points."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("catalogue", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("images", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--source", action="append", required=True)
    parser.add_argument("--plugin", action="append", default=[])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=6)
    given = parser.parse_args()
    given.plugin = [str(Path(path).resolve()) for path in given.plugin]
    sys.stdout.write(
        "| source | returned less best baseline, points | verdicts |\n|---|---|---|\n"
    )
    everything = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name in given.source:
            found = [gap(given, name, seed) for seed in range(given.seeds)]
            points = [100 * value for value, _, _ in found]
            everything += points
            said = ", ".join(f"{decision} ({what})" for _, decision, what in found)
            sys.stdout.write(
                f"| {name} | {np.mean(points):+.1f} ± {np.std(points):.1f} | {said} |\n"
            )
            sys.stdout.flush()
    sys.stdout.write(f"\nmean {np.mean(everything):+.1f} points\n")
    return 0 if np.mean(everything) >= -2 else 1


if __name__ == "__main__":
    sys.exit(main())
