"""The score of every way to transfer, by data set and by labels a class.

    python tests/benchmarks/strategies.py CATALOGUE IMAGES... [--plugin FILE] [--source NAME]
        [--labels 5 20 0] [--seeds 3] [--method NAME]...

Each target needs a test split (or a validation split), which is what the scores are of; 0 labels
stands for all. The labelled images of a seed are the same for every method. Prints a Markdown
table: accuracy in per cent, standard deviation over the seeds, mean seconds of the processor of a
fit once the features are cached (run it with one thread, OMP_NUM_THREADS=1).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from autotransfer.data.holdout import divide
from autotransfer.data.image_set import ImageSet
from autotransfer.models.features import FeatureReaders
from autotransfer.models.metrics import metric_named
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.source import Source
from autotransfer.plugin.registry import Registry
from autotransfer.plugin.strategy import Trial
from autotransfer.results import ParamValue
from autotransfer.scenarios.inputs import (
    choose_sources,
    discover_plugins,
    make_readers,
    open_labelled,
)
from autotransfer.scenarios.options import read_options
from autotransfer.search.cross_validation import LabelledContext

METHODS: Mapping[str, tuple[str, Mapping[str, ParamValue]]] = {
    "probe": ("feature-extraction", {}),
    "probe, all stages": ("feature-extraction", {"stages": "all"}),
    "probe, all stages, LDA": ("feature-extraction", {"stages": "all", "head": "lda"}),
    "nearest mean, CL2N": (
        "feature-extraction",
        {"head": "nearest-mean", "normalisation": "cl2n"},
    ),
    "selective": ("selective-transfer", {}),
    "fine-tune from the probe": ("fine-tune", {}),
    "fine-tune, plain": ("fine-tune", {"warm_start": "none", "head_multiplier": 10.0}),
    "fine-tune, deep": ("fine-tune", {"depth": 0.3, "augmentation": "flip", "epochs": 15}),
    "L2-SP, deep": (
        "fine-tune",
        {"depth": 0.3, "augmentation": "flip", "epochs": 15, "conservation": "l2-sp"},
    ),
    "low rank, deep": (
        "fine-tune",
        {"depth": 0.3, "augmentation": "flip", "epochs": 15, "tuned": "low rank"},
    ),
    "progressive": ("progressive", {}),
}


def _ignore(_progress: float, _predictor: Predictor, /) -> None:
    """Take a report and do nothing."""


def labelled(images: ImageSet, per_class: int, seed: int) -> ImageSet:
    """Return so many images of each class, 0 for all of them."""
    if not per_class:
        return images
    rng = np.random.default_rng(seed)
    chosen = [
        rng.permutation(np.flatnonzero(images.labels == c))[:per_class]
        for c in range(len(images.class_names))
    ]
    return images.subset(np.concatenate(chosen))


def score(
    method: str,
    registry: Registry,
    sources: tuple[Source, ...],
    readers: FeatureReaders,
    train: ImageSet,
    test: ImageSet,
    seed: int,
) -> tuple[float, float]:
    """Return the accuracy on the test images and the seconds of the fit."""
    name, params = METHODS[method]
    strategy, source = registry.strategy(name), sources[0]
    context = LabelledContext(
        train, (), None, readers, metric_named("accuracy"), shortlist=sources
    )
    task = context.task(source, train)
    point = {**strategy.space(task.info).defaults(), **params}
    began = time.process_time()  # what else runs on the machine does not count
    predictor = strategy.fit(task, Trial(point, _ignore, None, seed))
    seconds = time.process_time() - began
    found = predictor.predict(test, readers[source])
    return float((found.argmax(axis=1) == test.labels).mean()), seconds


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("catalogue")
    parser.add_argument("images", nargs="+")
    parser.add_argument("--plugin", action="append", default=[])
    parser.add_argument("--source", action="append", default=[], help="the first one is probed")
    parser.add_argument("--labels", type=int, nargs="+", default=[5, 20, 0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--method", action="append", choices=list(METHODS))
    given = parser.parse_args()
    methods = given.method or list(METHODS)
    head = [f"{Path(p).stem}, {n or 'all'}" for p in given.images for n in given.labels]
    sys.stdout.write("| method | " + " | ".join(head) + " |\n")
    sys.stdout.write("|---" * (len(head) + 1) + "|\n")
    for method in methods:
        sys.stdout.write(f"| {method} | " + " | ".join(_row(method, given)) + " |\n")
        sys.stdout.flush()
    return 0


def _row(method: str, given: Any) -> list[str]:
    """Return one cell for each data set and number of labels."""
    cells = []
    for images in given.images:
        chosen = read_options({"sources": given.catalogue, "plugins": tuple(given.plugin)})
        registry = discover_plugins(chosen)
        opened = open_labelled(images, chosen)
        division = divide(opened)
        assert division.held_out is not None, f"{images} needs a test split"
        found = {s.name: s for s in choose_sources(chosen, registry, len(opened.train)).sources}
        sources = tuple(found[name] for name in given.source or list(found)[:3])
        for per_class in given.labels:
            readers = make_readers(chosen)
            results = []
            for seed in range(given.seeds):
                train = labelled(division.images, per_class, seed)
                results.append(
                    score(method, registry, sources, readers, train, division.held_out, seed)
                )
            accuracy, seconds = np.array(results).T
            mean, spread = 100 * accuracy.mean(), 100 * accuracy.std()
            cells.append(f"{mean:.1f} ± {spread:.1f}, {seconds.mean():.0f} s")
            where = f"{Path(images).stem}, {per_class or 'all'}"
            sys.stderr.write(f"{method}, {where}: {cells[-1]}\n")
    return cells


if __name__ == "__main__":
    sys.exit(main())
