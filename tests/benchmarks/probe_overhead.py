"""What a probe trial on cached features costs beyond fitting and applying the head.

    python tests/benchmarks/probe_overhead.py [--images N] [--features D] [--repeats R]

The features lie in the disk cache, as after a ranking. A trial fits the head and predicts as many
images as it learnt from; the bare head does the same on arrays in memory. Prints the difference
in milliseconds for each head and exits with 1 where it is above 50.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray

from autotransfer.data.images.preprocessing import PixelStore, Preprocessing
from autotransfer.data.target import open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import FeatureStore, RowLayout
from autotransfer.models.features import FeatureReaders
from autotransfer.models.heads import LinearHead
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.source import Source, Untrained
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.results import ScenarioKind
from autotransfer_feature_extraction import HEADS, FeatureExtraction

GOAL = 50.0  # milliseconds
NUM_CLASSES = 5


def _ignore(_progress: float, _predictor: Predictor, /) -> None:
    """Take a report and do nothing."""


def _milliseconds(run: Callable[[], object], repeats: int) -> float:
    found = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        run()
        found.append(1e3 * (time.perf_counter() - began))
    return median(found[1:])


def _trial(strategy: FeatureExtraction, task: Task, trial: Trial) -> None:
    strategy.fit(task, trial).predict(task.train, task.features)


def _bare(
    fit: Callable[..., LinearHead], x: NDArray[np.float32], labels: NDArray[np.int64]
) -> None:
    fit(x, labels, NUM_CLASSES).probabilities(x)


def main() -> int:
    """Print the overhead of each head."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=750)
    parser.add_argument("--features", type=int, default=1280)
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    labels = np.arange(given.images) % NUM_CLASSES
    pictures = rng.integers(0, 255, (given.images, 8, 8, 3), dtype=np.uint8)
    images = open_target((pictures, labels)).train
    source = Source("bench", "test_resnet", Untrained(), Preprocessing(32))
    x = rng.normal(size=(given.images, given.features)).astype(np.float32)
    x += 0.3 * rng.normal(size=(NUM_CLASSES, given.features)).astype(np.float32)[labels]
    strategy, missed = FeatureExtraction(), False
    with tempfile.TemporaryDirectory() as folder:
        store = FeatureStore(Path(folder))
        table = store.table(source)
        table.set_layout(RowLayout((given.features,), 0, 1.0))
        table.append(images.digests, x)
        device = torch.device("cpu")
        reader = FeatureReaders(store, PixelStore(1 << 20), load_backbone, device)[source]
        task = Task(
            source=source,
            scenario=ScenarioKind.LABELLED,
            class_names=images.class_names,
            train=images,
            features=reader,
            device=device,
            load_backbone=lambda: load_backbone(source),
        )
        for name, fit in HEADS.items():
            params = {**strategy.space(task.info).defaults(), "head": name}
            trial = Trial(params, _ignore, None, 0)
            whole = _milliseconds(partial(_trial, strategy, task, trial), given.repeats)
            bare = _milliseconds(partial(_bare, fit, x, labels), given.repeats)
            missed = missed or whole - bare > GOAL
            sys.stdout.write(
                f"{name}: trial {whole:.0f} ms, head alone {bare:.0f} ms, overhead "
                f"{whole - bare:.1f} ms (goal {GOAL:.0f})\n"
            )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
