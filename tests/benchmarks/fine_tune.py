"""What a fine-tuning epoch costs, in units of a bare torch loop on the same tensors.

    python tests/benchmarks/fine_tune.py [--side PIXELS] [--images N] [--repeats R]

Measures in one process, interleaved, medians: (a) one epoch of a bare loop (forward,
cross-entropy, backward, clipping, AdamW) on standardised pictures that lie ready in memory; (b)
one epoch of the library's loop on decoded pictures, as fine-tuning feeds it; (c) one epoch after
the first with the frozen prefix that holds half of the forward cost, its outputs cached. Exits
with 1 when a goal is missed.
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
from torch import nn

from autotransfer.backbone import Backbone, load_backbone
from autotransfer.data.image_set import ImageSet
from autotransfer.data.preprocessing import PixelStore
from autotransfer.data.target import open_target
from autotransfer.feature_store import FeatureStore
from autotransfer.features import CachedInputs, FeatureReaders, Features
from autotransfer.predictors import HeadedSuffix
from autotransfer.problem import Preprocessing, Source, Untrained
from autotransfer.training import Schedule, train

GOALS = {"whole network": 1.05, "half frozen and cached": 0.65}
BATCH = 16


def bare_epoch(network: nn.Module, x: torch.Tensor, labels: torch.Tensor) -> None:
    """Train for one epoch, nothing but torch."""
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    for positions in torch.split(order, BATCH):
        loss = nn.functional.cross_entropy(network(x[positions]), labels[positions])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()


def half_way(backbone: Backbone, x: torch.Tensor) -> tuple[int, float]:
    """Return the first stage after which at most half of the cost is left, and the share."""
    with torch.inference_mode():
        whole = _median_seconds(lambda: backbone(x))
        for stage in range(1, backbone.num_stages):
            suffix = backbone.suffix(stage)
            z = backbone.activations(x, stage)
            left = _median_seconds(partial(suffix, z)) / whole
            if left <= 0.5:
                return stage, left
    raise SystemExit("no stage lies half-way")


def _median_seconds(run: Callable[[], object]) -> float:
    found = []
    for _ in range(7):
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return median(found)


def main() -> int:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--architecture", default="mobilenetv2_100")
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=9)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    shape = (given.images, given.side, given.side, 3)
    pictures = rng.integers(0, 255, shape, dtype=np.uint8)
    images = open_target((pictures, np.arange(given.images) % 4)).train
    source = Source("bench", given.architecture, Untrained(), Preprocessing(given.side))
    with tempfile.TemporaryDirectory() as folder:
        readers = FeatureReaders(
            FeatureStore(Path(folder)), PixelStore(1 << 30), load_backbone, torch.device("cpu")
        )
        return _report(source, readers[source], images, given.repeats)


def _report(source: Source, reader: Features, images: ImageSet, repeats: int) -> int:
    labels = images.labels
    backbone = load_backbone(source)
    x = reader.standardised(images)
    classes = torch.from_numpy(labels.copy())
    stage, left = half_way(backbone, x[:BATCH])
    whole = HeadedSuffix(backbone.suffix(0), backbone.num_features, 4)
    bare = HeadedSuffix(backbone.suffix(0), backbone.num_features, 4)
    tail = HeadedSuffix(backbone.suffix(stage), backbone.num_features, 4)
    everything, cached = reader.inputs(images, 0), reader.inputs(images, stage)
    schedule = Schedule(epochs=1, batch_size=BATCH, learning_rate=1e-4)

    def epoch(network: nn.Module, inputs: CachedInputs) -> None:
        train(network, lambda p, _: inputs.batch(p), labels, schedule, seed=0)

    runs: dict[str, Callable[[], None]] = {
        "bare": lambda: bare_epoch(bare, x, classes),
        "whole network": lambda: epoch(whole, everything),
        "half frozen and cached": lambda: epoch(tail, cached),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    unit = median(seconds["bare"][1:])
    lines = [
        f"{source.architecture} at {source.preprocessing.input_size} px, {len(x)} pictures, "
        f"{torch.get_num_threads()} threads; after stage {stage}, {left:.0%} of a pass is left",
        f"bare loop: {unit:.2f} s",
    ]
    missed = False
    for name, goal in GOALS.items():
        ratio = median(seconds[name][1:]) / unit
        missed = missed or ratio > goal
        lines.append(f"{name}: {ratio:.3f} x (goal {goal:.2f})")
    sys.stdout.write("\n".join(lines) + "\n")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
