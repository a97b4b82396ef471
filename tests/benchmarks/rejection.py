"""Images that are none of the classes: how many are told of, and which are rejected.

    python tests/benchmarks/rejection.py KIT [SOURCE]...

KIT is the folder of the kit. Known images are the test images of a target. Unknown ones are those
of another target, or of the same target's classes that the fit never saw (a third, drawn anew
with each seed). They are mixed at several shares and judged together; beside this stand single
images, rejected at 5 % of known ones, and the AUROC of simple scores.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.target import open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue import resolve_sources
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders, Features
from autotransfer.models.out_of_distribution import Rejection
from autotransfer.models.unknown_share import surprise
from autotransfer.plugin.registry import discover

SHARES = (0.0, 0.1, 0.3, 0.5)
FAR = (
    ("flowers5", "hymenoptera"), ("hymenoptera", "flowers5"), ("flowers5", "caltech30"),
    ("bccd_cells", "flowers5"),
)  # fmt: skip
NEAR = ("cifar10", "eurosat", "flowers5", "caltech30")
SEEDS, MOST, DRAWS = 3, 1000, 20

Rows = NDArray[np.float64]


def main(kit: Path, names: list[str]) -> None:
    """Print one row a pair and share."""
    discover(files=[kit / "weights" / "timm_extra.py"])
    catalogue = kit / "weights" / "catalogue.toml"
    sources = resolve_sources(catalogue, only=names or ["mobilenetv1-050-imagenet"]).sources
    device = torch.device("cpu")
    readers = FeatureReaders(FeatureStore(), PixelStore(1 << 29), load_backbone, device)
    print(  # noqa: T201
        "| source | fit on | unknown | their share | said: at least | limit holds "
        "| known rejected | unknown rejected | one by one: known | unknown "
        "| AUROC | distance | entropy |"
    )
    print("|" + "---|" * 13)  # noqa: T201
    for source in sources:
        read = readers[source]
        for title, cells in cells_of(kit, read):
            for share in SHARES:
                found = [_judged(*cell, share, seed) for seed, cell in enumerate(cells)]
                shown = [f"{mean(column):.3f}" for column in zip(*found, strict=True)]
                print(f"| {source.name} | {title} | {' | '.join(shown)} |", flush=True)  # noqa: T201


def cells_of(
    kit: Path, read: Features
) -> Iterator[tuple[str, list[tuple[Rows, NDArray[np.int64], Rows, Rows]]]]:
    """Yield a title, and features and labels that are learnt, known and unknown features."""
    for name, other in FAR:
        train, test = _opened(kit, name)
        strange = _rows(read, _opened(kit, other)[1])
        yield f"{name} | {other}", [(_rows(read, train), train.labels, _rows(read, test), strange)]
    for name in NEAR:
        train, test = _opened(kit, name)
        learnt, tested = _rows(read, train), _rows(read, test)
        cells = []
        for seed in range(SEEDS):
            order = np.random.default_rng(seed).permutation(len(train.class_names))
            left_out = order[: len(order) // 3]
            kept, far = (~np.isin(s.labels, left_out) for s in (train, test))
            cells.append((learnt[kept], train.labels[kept], tested[far], tested[~far]))
        yield f"{name} | a third of its classes", cells


def _judged(
    learnt: Rows, labels: NDArray[np.int64], known: Rows, unknown: Rows, share: float, seed: int
) -> list[float]:
    """Return the figures of a row, means over draws of the images."""
    rejection = Rejection.of(learnt, labels)
    assert rejection is not None
    generator = np.random.default_rng(seed)
    rows = []
    for _ in range(DRAWS):
        n = len(known) * 4 // 5
        more = min(round(n * share / (1 - share)), len(unknown))
        x = np.concatenate(
            [known[generator.permutation(len(known))[:n]],
             unknown[generator.permutation(len(unknown))[:more]]]
        )  # fmt: skip
        strange = np.arange(len(x)) >= n
        found = rejection.unknown(x)
        right, out, alone = more / len(x), found.probability > 0.5, rejection.rejected(x, 0.05)
        rows.append(
            [right, found.least, float(found.least <= right), *_rates(out, strange),
             *_rates(alone, strange), *_aurocs(rejection, x, strange)]
        )  # fmt: skip
    return list(np.mean(rows, axis=0))


def _rates(out: NDArray[np.bool_], strange: NDArray[np.bool_]) -> list[float]:
    return [float(out[~strange].mean()), float(out[strange].mean()) if strange.any() else np.nan]


def _aurocs(rejection: Rejection, x: Rows, strange: NDArray[np.bool_]) -> list[float]:
    """Return the AUROC of the joint score, of the distance and of the entropy of a probe."""
    if not strange.any():
        return [np.nan] * 3
    assert rejection.head is not None
    assert rejection.entropies is not None
    said = rejection.head.probabilities(x / np.linalg.norm(x, axis=1, keepdims=True))
    entropy = -(said * np.log(said + 1e-12)).sum(axis=1)
    far = rejection.distance(x)
    both = surprise(rejection.distances, far) + surprise(rejection.entropies, entropy)
    return [float(roc_auc_score(strange, score)) for score in (both, far, entropy)]


def _opened(kit: Path, name: str) -> tuple[ImageSet, ImageSet]:
    opened = open_target(str(kit / "data" / f"{name}.zip"))
    test = opened.held_out or opened.validation
    assert test is not None
    return opened.train.sample(MOST, 0), test.sample(MOST, 0)


def _rows(read: Features, images: ImageSet) -> Rows:
    return np.asarray(read(images), np.float64)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
