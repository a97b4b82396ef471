"""Fine-tunes of a sample of cells of the record: as a fit would train them by default."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.metrics import metric_named
from autotransfer.models.source import Source
from autotransfer.plugin.strategy import Trial
from autotransfer.search.cross_validation import LabelledContext
from autotransfer_fine_tune import FineTune
from tests.benchmarks.transfer_cells import Array, Key, scored
from tests.benchmarks.transfer_features import PIXEL_BYTES
from tests.benchmarks.transfer_table import FINE_TUNE, WITH_FINE_TUNE
from tests.benchmarks.transfer_targets import ALL, Draw, Pool, opened

TARGETS = (
    "flowers5",
    "pacs-sketch",
    "eurosat",
    "bccd",
    "hymenoptera",
    "fashion",
    "cifar10",
    "awa-seen",
)
SIZES, DRAWS = (20, ALL, 40, 5, 10), 2
SOURCES = ("mobilenetv2-imagenet", "mobilenetv1-050-imagenet", "mobilenetv1-025-person")


def sample() -> Iterator[tuple[str, int, int]]:
    """Yield the target, the size and the draw of each cell, those that say most first."""
    for number in range(DRAWS):
        for size in SIZES:
            for target in TARGETS:
                yield target, size, number


def fine_tunes(
    pool: Pool,
    drawn: Draw,
    mixture: Array,
    sources: Mapping[str, Source],
    *,
    kit: Path,
    work: Path,
    seed: int,
) -> Iterator[tuple[Key, dict[str, Any]]]:
    """Yield the scores of a fine-tune of each source, and of its mean with a mixture.

    Args:
        pool: The pool, all of whose classes are played.
        drawn: Which images are learnt from, and which judge.
        mixture: (m, K) what the mixture of probes says of the latter.
        sources: All sources by name.
        kit: The kit.
        work: Where features are kept.
        seed: Of the training.
    """
    ((images, places),), _ = opened(pool, kit)
    train, tested = images.subset(places[drawn.labelled]), images.subset(places[drawn.tested])
    device = torch.device("cpu")
    readers = FeatureReaders(
        FeatureStore(work / "passes"), PixelStore(PIXEL_BYTES), load_backbone, device
    )
    for name in SOURCES:
        began = time.perf_counter()
        answers = _tuned(train, tested, sources[name], readers, seed)
        seconds = time.perf_counter() - began
        for kind, said in ((FINE_TUNE, answers), (WITH_FINE_TUNE, (answers + mixture) / 2)):
            found = {f"true_{score}": v for score, v in scored(tested.labels, said).items()}
            yield Key(kind, name), {**found, "milliseconds": 1000 * seconds}
        readers.release()


def _tuned(
    train: ImageSet, tested: ImageSet, source: Source, readers: FeatureReaders, seed: int
) -> Any:
    strategy = FineTune()
    context = LabelledContext(train, (), None, readers, metric_named("accuracy"))
    task = context.task(source, train)
    params = strategy.space(task.info).defaults()
    trial = Trial(params, lambda _progress, _predictor: None, None, seed)
    return np.asarray(strategy.fit(task, trial).predict(tested, task.features), dtype=np.float64)
