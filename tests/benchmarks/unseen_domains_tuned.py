"""Accuracy on a domain that nothing has seen: fine-tuned, part of the way back, and read anew.

    python -m tests.benchmarks.unseen_domains_tuned KIT [SEED ...]

The domains are those of unseen_domains.py with fewer images each, and one small network. Each
domain is left out in turn. "Probe" is ridge on frozen features (ERM), "tuned" the default
fine-tune in `EPOCHS` passes, the columns between them WiSE-FT (`back_to_source`, as much of the
source). "Test-time statistics" reads frozen features after the batch-norm statistics of every
domain were taken from its own images, the left-out one's too; "standardised" brings plain
features to mean 0 and deviation 1 by each domain.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.target import open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.batch_norm import adapt_statistics
from autotransfer.models.catalogue import resolve_sources
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders, Features
from autotransfer.models.metrics import metric_named
from autotransfer.models.source import Source
from autotransfer.plugin.heads import fit_ridge
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import Trial
from autotransfer.search.cross_validation import LabelledContext
from autotransfer_fine_tune import FineTune
from tests.benchmarks.unseen_domains import sets_of

SOURCE = "mobilenetv1-025-imagenet"
MOST = 100  # images of a domain
EPOCHS = 4
WAYS = (0.0, 0.3, 0.5, 0.7)  # back to the source
BATCH = 50
COLUMNS = (
    "probe", *(f"{way:g} back" if way else "tuned" for way in WAYS), "test-time statistics",
    "standardised",
)  # fmt: skip

Rows = NDArray[np.float64]


def main(kit: Path, seeds: list[int]) -> None:
    """Print one row for each left-out domain, and the means."""
    torch.set_num_threads(1)
    discover(files=[kit / "weights" / "timm_extra.py"])
    source = resolve_sources(kit / "weights" / "catalogue.toml", only=[SOURCE]).sources[0]
    print(f"| domains | left out | {' | '.join(COLUMNS)} |")  # noqa: T201
    print("|" + "---|" * (2 + len(COLUMNS)))  # noqa: T201
    for seed in seeds:
        for title, images in sets_of(kit, seed):
            few = {name: part.sample(MOST, seed) for name, part in images.items()}
            readers = FeatureReaders(
                FeatureStore(), PixelStore(1 << 29), load_backbone, torch.device("cpu")
            )
            read = readers[source]
            plain = {name: np.asarray(read(part), np.float64) for name, part in few.items()}
            anew = {name: _read_anew(read, part) for name, part in few.items()}
            rows = []
            for name in few:
                tuned = list(_tuned(few, name, readers, source, seed))
                found = [
                    _probed(few, plain, name),
                    *tuned,
                    _probed(few, anew, name),
                    _probed(few, {d: _standardised(x) for d, x in plain.items()}, name),
                ]
                rows.append(found)
                _told(title, f"{name}, seed {seed}", found)
            columns = list(zip(*rows, strict=True))
            _told(title, f"mean, seed {seed}", [mean(column) for column in columns])
            _told(title, f"worst, seed {seed}", [min(column) for column in columns])


def _told(title: str, name: str, row: list[float]) -> None:
    print(f"| {title} | {name} | {' | '.join(f'{v:.3f}' for v in row)} |", flush=True)  # noqa: T201


def _probed(images: dict[str, ImageSet], rows: dict[str, Rows], left_out: str) -> float:
    others = [name for name in images if name != left_out]
    labels = np.concatenate([images[name].labels for name in others])
    num_classes = 1 + max(int(part.labels.max()) for part in images.values())
    head = fit_ridge(np.concatenate([rows[name] for name in others]), labels, num_classes)
    said = head.probabilities(rows[left_out]).argmax(axis=1)
    return float((said == images[left_out].labels).mean())


def _tuned(
    images: dict[str, ImageSet], left_out: str, readers: FeatureReaders, source: Source, seed: int
) -> Iterator[float]:
    """Yield the accuracy of a fine-tune on the other domains, for each way back."""
    others, tested = [part for name, part in images.items() if name != left_out], images[left_out]
    pixels = [part[i] for part in others for i in range(len(part))]
    labels = [part.class_names[k] for part in others for k in part.labels]
    train = open_target((pixels, labels), minimum_per_class=1).train
    truth = [tested.class_names[k] for k in tested.labels]
    strategy = FineTune()
    task = LabelledContext(train, (), None, readers, metric_named("accuracy")).task(source, train)
    for way in WAYS:
        params = {
            **strategy.space(task.info).defaults(), "epochs": EPOCHS, "back_to_source": way
        }  # fmt: skip
        trial = Trial(params, lambda _progress, _predictor: None, None, seed)
        said = strategy.fit(task, trial).predict(tested, task.features).argmax(axis=1)
        yield float(np.mean([train.class_names[k] == t for k, t in zip(said, truth, strict=True)]))


def _read_anew(read: Features, images: ImageSet) -> Rows:
    """Return frozen features with the batch-norm statistics of these images."""
    backbone = load_backbone(read.source)
    ready = read.standardised(images)
    adapt_statistics(backbone, lambda: iter(torch.split(ready, BATCH)), len(ready))
    with torch.no_grad():
        parts = [backbone(part) for part in torch.split(ready, BATCH)]
    return np.asarray(torch.cat(parts), np.float64)


def _standardised(x: Rows) -> Rows:
    found: Rows = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-6)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(seed) for seed in sys.argv[2:]] or [0])
