"""Zero-shot figures of every head on several sources.

    python tests/benchmarks/zero_shot.py CATALOGUE TABLE SEEN SEEN_TEST UNSEEN_TEST
        [--plugin FILE] [--source NAME]...

Every head is at its defaults: learned on SEEN, calibrated on held-out classes of SEEN, scored once
on SEEN_TEST and UNSEEN_TEST. Prints a Markdown table, per-class top-1 in per cent, and what the
whole grid of ESZSL costs. All features are computed first, so the seconds are those of a fit.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import open_target
from autotransfer.models.metrics import metric_named
from autotransfer.models.source import Source
from autotransfer.models.zero_shot.eszsl import PENALTIES, Eszsl
from autotransfer.plugin.strategy import Strategy
from autotransfer.results import ParamValue
from autotransfer.scenarios.inputs import discover_plugins
from autotransfer.scenarios.options import read_options
from autotransfer.scenarios.zero_shot.calibrated_stacking import calibrate
from autotransfer.scenarios.zero_shot.class_folds import class_folds
from autotransfer.scenarios.zero_shot.inputs import problem_of_descriptions
from autotransfer.scenarios.zero_shot.metrics import (
    harmonic_mean,
    per_class_top1,
    seen_unseen_curve,
)
from autotransfer.scenarios.zero_shot.refits import Point
from autotransfer.scenarios.zero_shot.trials import ZeroShotContext

HEADS: dict[str, dict[str, ParamValue]] = {
    "ESZSL": {"head": "eszsl"},
    "SAE, to features": {"head": "sae", "direction": "to features"},
    "SAE, to attributes": {"head": "sae", "direction": "to attributes"},
    "DAP": {"head": "dap"},
    "embedding": {"head": "embedding"},
}
COLUMNS = ("held out", "unseen", "U", "S", "H", "AUSUC", "seconds")


def row(
    context: ZeroShotContext,
    source: Source,
    strategy: Strategy,
    params: dict[str, ParamValue],
    tests: tuple[ImageSet, ImageSet],
) -> list[float]:
    """Return the figures of one head on one source, in the order of `COLUMNS`."""
    table = context.table
    defaults = strategy.space(context.task(source, context.images).info).defaults()
    point = Point(context, source, strategy, {**defaults, **params}, 0)
    held_out = []
    for fold in context.folds:
        fitted = point.fit(context.images.subset(fold.train))
        validation = context.images.subset(fold.validation)
        held_out.append(context.score(fitted, validation, source).value)
    calibration = calibrate(point.divisions(lambda _text: None))
    began = time.perf_counter()
    predictor = point.fit(context.images)
    seconds = time.perf_counter() - began
    places = {name: i for i, name in enumerate(table.class_names)}
    scores = np.concatenate([predictor.scores(t, point.reader, table.values) for t in tests])
    names = [t.class_names[label] for t in tests for label in t.labels]
    labels = np.array([places[name] for name in names])
    new = labels >= table.num_seen
    alone = scores[new][:, table.num_seen :].argmax(axis=1) + table.num_seen
    curve = seen_unseen_curve(scores, labels, table.num_seen)
    unseen, seen = curve.at(calibration.stacking_offset)
    top1 = per_class_top1(labels[new], alone)
    figures = [float(np.mean(held_out)), top1, unseen, seen, harmonic_mean(unseen, seen)]
    return [*(100 * figure for figure in figures), 100 * curve.area, seconds]


def grid_cost(z: Any, labels: Any, rows: Any) -> tuple[float, float, float]:
    """Return the seconds of one point, of all 49, and of one direct dense solution."""

    def least(action: Any) -> float:
        found = []
        for _ in range(3):
            began = time.perf_counter()
            action()
            found.append(time.perf_counter() - began)
        return min(found)

    def direct() -> None:
        y = np.where(np.equal.outer(labels, np.arange(len(rows))), 1.0, -1.0)
        left = np.linalg.solve(z.T @ z + np.eye(z.shape[1]), z.T @ y @ rows)
        np.linalg.solve(rows.T @ rows + np.eye(rows.shape[1]), left.T)

    def grid(penalties: Sequence[float]) -> None:
        problem = Eszsl.of(z, labels, rows)
        for gamma, lam in product(penalties, penalties):
            problem.compatibility(gamma, lam)

    one, grid_of_all = least(lambda: grid([1.0])), least(lambda: grid(PENALTIES))
    return one, grid_of_all, least(direct)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("catalogue", "table", "seen", "seen_test", "unseen_test"):
        parser.add_argument(name)
    parser.add_argument("--plugin", action="append", default=[])
    parser.add_argument("--source", action="append", default=[])
    given = parser.parse_args()
    chosen = read_options(
        {
            "sources": given.catalogue,
            "plugins": tuple(given.plugin),
            "source": tuple(given.source),
            "attributes": given.table,
            "device": "cpu",
        }
    )
    registry = discover_plugins(chosen)
    problem = problem_of_descriptions(given.seen, chosen, registry)
    assert problem.attributes is not None
    context = ZeroShotContext(
        problem.target.train,
        class_folds(problem.target.train.labels, len(problem.attributes.unseen), seed=0),
        None,
        problem.readers,
        metric_named("balanced_accuracy"),
        table=problem.attributes,
    )
    tests = (open_target(given.seen_test).train, open_target(given.unseen_test).train)
    sys.stdout.write("| source | head | " + " | ".join(COLUMNS) + " |\n")
    sys.stdout.write("|---" * (len(COLUMNS) + 2) + "|\n")
    strategy = registry.strategy("attribute-zero-shot")
    for source in problem.sources.sources:
        for images in (context.images, *tests):
            context.readers[source](images)
        for name, params in HEADS.items():
            figures = row(context, source, strategy, params, tests)
            cells = " | ".join(f"{figure:.1f}" for figure in figures)
            sys.stdout.write(f"| {source.name} | {name} | {cells} |\n")
            sys.stdout.flush()
        x = context.readers[source](context.images).astype(np.float64)
        seen_rows = problem.attributes.values[: problem.attributes.num_seen]
        one, grid, direct = grid_cost(x, context.images.labels, seen_rows)
        sys.stderr.write(
            f"{source.name}, {x.shape[1]} features: one point {one:.3f} s, 49 points {grid:.3f} s,"
            f" one direct dense solution {direct:.3f} s\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
