"""What a fit returns for classes without images, against the mean of the sources' ESZSL.

    python tests/benchmarks/zero_shot_splits.py CATALOGUE TABLE --source NAME [--source NAME]...
        --learn IMAGES [--learn IMAGES]... --test IMAGES [--test IMAGES]...
        [--plugin FILE] [--unseen 5] [--splits 20] [--first 0]

All classes of the table that have images are dealt out anew in every split: some are unseen,
the others are learned from. The candidates are the mean, ESZSL of the default source at the same
middle penalties and, on every source, ESZSL with the penalties that held-out classes choose; one
is returned by the rule of a fit.
Prints a Markdown table, per-class top-1 of unseen classes' test images in per cent.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.attributes import Attributes, read_attributes
from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import open_target
from autotransfer.models.features import FeatureReaders
from autotransfer.models.metrics import metric_named
from autotransfer.models.precomputed_features import Matrices, MatrixReaders
from autotransfer.models.source import Source
from autotransfer.plugin.strategy import Strategy
from autotransfer.scenarios.inputs import choose_sources, discover_plugins, make_readers
from autotransfer.scenarios.options import read_options
from autotransfer.scenarios.zero_shot.class_folds import class_folds
from autotransfer.scenarios.zero_shot.metrics import per_class_top1
from autotransfer.scenarios.zero_shot.refits import Point
from autotransfer.scenarios.zero_shot.trials import ZeroShotContext
from autotransfer.search.choice import Terms, choose
from tests.benchmarks.default_eszsl import DefaultEszsl

OURS, MEAN = "what a fit returns", "mean-of-eszsl"
T_975 = {5: 2.776, 10: 2.262, 20: 2.093}  # Student's t by the number of splits; 1.96 for others


@dataclass(frozen=True)
class Pictures:
    """Features of all images, one matrix a source, and which of them are learned from."""

    features: dict[str, NDArray[np.float32]]
    names: NDArray[np.str_]
    learned: NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """Classes dealt out, as an context and the test images of the unseen classes."""

    context: ZeroShotContext
    tests: ImageSet

    @classmethod
    def of(cls, pictures: Pictures, table: str, num_unseen: int, seed: int) -> Split:
        """Return the classes of one draw."""
        classes = sorted(set(pictures.names.tolist()))
        drawn = np.random.default_rng(seed).permutation(len(classes))
        unseen = sorted(classes[i] for i in drawn[:num_unseen])
        seen = [name for name in classes if name not in unseen]
        rows = read_attributes(table, seen).reordered(seen, unseen)
        given = Matrices.of(pictures.features, pictures.names.tolist(), rows.class_names)
        items, is_seen = given.items, np.isin(pictures.names, seen)
        train = items.subset(np.flatnonzero(is_seen & pictures.learned))
        tests = items.subset(np.flatnonzero(~is_seen & ~pictures.learned))
        context = ZeroShotContext(
            train,
            class_folds(train.labels, num_unseen, seed=seed),
            None,
            MatrixReaders(given),
            metric_named("balanced_accuracy"),
            shortlist=given.sources,
            pool=given.sources,
            table=rows,
        )
        return cls(context, tests)

    @property
    def table(self) -> Attributes:
        """Return the rows."""
        return self.context.table

    def points(self, strategies: Iterable[Strategy]) -> dict[str, Point]:
        """Return what competes, by its name: the obvious first."""
        found = {}
        first, *_ = sources = self.context.pool
        for strategy in strategies:
            for source in (first,) if strategy.obvious else sources:
                task = self.context.task(source, self.context.images)
                params = strategy.space(task.info).defaults()
                name = strategy.name if strategy.obvious else f"{strategy.name}, {source.name}"
                found[name] = Point(self.context, source, strategy, params, 0)
        return found

    def held_out(self, point: Point) -> NDArray[np.float64]:
        """Return what a point says of the held-out classes of all folds."""
        parts = []
        for train, validation in self.context.divisions():
            score = self.context.score(point.fit(train), validation, point.source)
            parts.append(score.probabilities)
        return np.concatenate(parts)

    def top1(self, point: Point) -> float:
        """Return per-class top-1 of the unseen classes' test images."""
        predictor, first = point.fit(self.context.images), self.table.num_seen
        scores = predictor.scores(self.tests, point.reader, self.table.values[first:])
        return per_class_top1(self.tests.labels - first, scores.argmax(axis=1))


def row(split: Split, strategies: Iterable[Strategy], seed: int) -> dict[str, float]:
    """Return the test score of every candidate, and of the one that is chosen."""
    points = split.points(strategies)
    said = {i: split.held_out(point) for i, point in enumerate(points.values())}
    names = list(points)
    context = split.context
    sizes = [len(validation) for _, validation in context.divisions()]
    terms = Terms(
        context.metric,
        [i for i, name in enumerate(names) if points[name].strategy.obvious],
        combine=False,
        by_class=True,
        seed=seed,
    )
    folds = np.repeat(np.arange(len(sizes)), sizes)
    (chosen,) = choose(said, folds, context.validation_labels, terms).weights
    found = {name: split.top1(point) for name, point in points.items()}
    sys.stderr.write(f"split {seed}: {names[chosen]} {100 * found[names[chosen]]:.1f}, the mean "
                     f"{100 * found[MEAN]:.1f}\n")  # fmt: skip
    sys.stderr.flush()
    return {OURS: found[names[chosen]], **found}


def read_images(
    sets: Sequence[ImageSet], num_learned: int, sources: Iterable[Source], readers: FeatureReaders
) -> Pictures:
    """Return the last-stage features of all images; the first sets are learned from."""
    features = {s.name: np.concatenate([readers[s](part) for part in sets]) for s in sources}
    names = [part.class_names[label] for part in sets for label in part.labels]
    learned = np.repeat(np.arange(len(sets)) < num_learned, [len(part) for part in sets])
    return Pictures(features, np.array(names), learned)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("catalogue")
    parser.add_argument("table")
    for name in ("learn", "test", "source", "plugin"):
        parser.add_argument(f"--{name}", action="append", default=[])
    parser.add_argument("--unseen", type=int, default=5)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    chosen = read_options(
        {
            "sources": given.catalogue,
            "plugins": tuple(given.plugin),
            "source": tuple(given.source),
            "device": "cpu",
        }
    )
    registry = discover_plugins(chosen)
    opened = [open_target(part) for part in (*given.learn, *given.test)]
    sources = choose_sources(chosen, registry, len(opened[0].train)).sources
    sets = [target.train for target in opened]
    pictures = read_images(sets, len(given.learn), sources, make_readers(chosen))
    strategies = [
        registry.strategy(MEAN),
        DefaultEszsl(),
        registry.strategy("attribute-zero-shot"),
    ]
    rows = [
        row(Split.of(pictures, given.table, given.unseen, seed), strategies, seed)
        for seed in range(given.first, given.first + given.splits)
    ]
    sys.stdout.write("| candidate | unseen | less the mean | 95 % interval |\n|---|---|---|---|\n")
    for name in rows[0]:
        gaps = 100 * np.array([found[name] - found[MEAN] for found in rows])
        level = 100 * np.mean([found[name] for found in rows])
        reach = T_975.get(len(rows), 1.96) * gaps.std(ddof=1) / np.sqrt(len(rows))
        sys.stdout.write(
            f"| {name} | {level:.1f} | {gaps.mean():+.1f} | "
            f"{gaps.mean() - reach:+.1f} to {gaps.mean() + reach:+.1f} |\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
