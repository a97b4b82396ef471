"""What a fine-tuning epoch costs, in units of a bare torch loop on the same tensors.

    python -m tests.benchmarks.fine_tune [--side PIXELS] [--images N] [--repeats R]
    python -m tests.benchmarks.fine_tune --texts KIT [--images N] [--repeats R]
    python -m tests.benchmarks.fine_tune --sounds KIND [--images N] [--repeats R]

Measures in one process, interleaved, medians: (a) one epoch of a bare loop (forward,
cross-entropy, backward, clipping, AdamW) on standardised images that lie ready in memory; (b)
one epoch of the library's loop on decoded images, with the batches and the objective of the
strategy; (c) one epoch after the first behind the frozen prefix that holds nearest to half of the
operations of a forward pass, its outputs cached; (d) the same with flips, two views of each
image. Exits with 1 when a goal is missed.

With --texts the kit's MiniLM learns from texts of banking20: (a) reads their tokens from memory,
each batch cut to its longest text, (b) cuts texts into tokens, and (d) leaves out words, in five
views of each text. With --sounds an encoder of sounds of a KIND (wav2vec2, hubert, wavlm) with
random weights, six layers of width 256 behind the usual convolutions, learns from noise of half a
second to one second; (b) reads the samples anew, and (d) varies loudness, part and masks.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from autotransfer.data.images.preprocessing import PixelStore, Preprocessing
from autotransfer.data.modality import Modality
from autotransfer.data.target import Target, open_target
from autotransfer.models.backbone import Backbone, load_backbone
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.predictors.neural import HeadedSuffix
from autotransfer.models.schedule import Schedule
from autotransfer.models.sounds.folders import sound_source_of_folder
from autotransfer.models.source import Source, Untrained
from autotransfer.models.texts.folders import source_of_folder
from autotransfer.models.training import train
from autotransfer.plugin.strategy import Task
from autotransfer.results import ScenarioKind
from autotransfer_fine_tune.batches import Batches
from autotransfer_fine_tune.keeping import objective
from tests.tiny_sounds import write_encoder

GOALS = {"whole network": 1.05, "half frozen and cached": 0.65, "the same, several views": 0.65}
GOALS_OF_OTHERS = {**GOALS, "whole network": 1.1}
PLAIN = {"mixup": False, "label_smoothing": 0.0}
BATCH = 16
VARIED = {Modality.TEXT: "words", Modality.SOUND: "masks"}
ENCODER: Mapping[str, Any] = {
    "hidden_size": 256,
    "num_attention_heads": 4,
    "intermediate_size": 1024,
    "num_hidden_layers": 6,
    "conv_dim": [128] * 7,
    "num_feat_extract_layers": 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "num_conv_pos_embeddings": 128,
    "num_conv_pos_embedding_groups": 16,
}


def bare_epoch(network: nn.Module, x: torch.Tensor, labels: torch.Tensor) -> None:
    """Train for one epoch, nothing but torch."""
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    for positions in torch.split(order, BATCH):
        loss = nn.functional.cross_entropy(network(_cut(x[positions])), labels[positions])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()


def _cut(x: torch.Tensor) -> torch.Tensor:
    """Return (b, 2, t) tokens or samples up to the end of the longest; images as they are."""
    return x[:, :, : int(x[:, 1].sum(1).max())] if x.ndim == 3 else x


def half_way(backbone: Backbone, x: torch.Tensor) -> tuple[int, float]:
    """Return the stage after which nearest to half of the operations are left, and the share."""

    def operations(network: nn.Module, inputs: torch.Tensor) -> int:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(inputs)
        return int(counter.get_total_flops())

    whole = operations(backbone, x)
    left = {
        stage: operations(backbone.suffix(stage), backbone.activations(x, stage)) / whole
        for stage in range(1, backbone.num_stages)
    }
    stage = min(left, key=lambda number: abs(left[number] - 0.5))
    return stage, left[stage]


def main() -> int:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--architecture", default="mobilenetv2_100")
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--texts", type=Path, metavar="KIT")
    parser.add_argument("--sounds", metavar="KIND", choices=("wav2vec2", "hubert", "wavlm"))
    given = parser.parse_args()
    if given.texts is not None:
        rows = pd.read_csv(given.texts / "data" / "banking20.csv")
        learnt = rows[rows["split"] == "train"]
        each = given.images // learnt["label"].nunique()
        texts = open_target(learnt.groupby("label").sample(each, random_state=0))
        return _measured(source_of_folder(given.texts / "weights" / "minilm_l6"), texts, given)
    rng = np.random.default_rng(0)
    if given.sounds is not None:
        return _of_sounds(given, rng)
    shape = (given.images, given.side, given.side, 3)
    pictures = rng.integers(0, 255, shape, dtype=np.uint8)
    images = open_target((pictures, np.arange(given.images) % 4))
    source = Source("bench", given.architecture, Untrained(), Preprocessing(given.side))
    return _measured(source, images, given)


def _of_sounds(given: argparse.Namespace, rng: np.random.Generator) -> int:
    counts = rng.integers(8_000, 16_000, given.images)
    waves = [(rng.normal(scale=0.1, size=count).astype(np.float32), 16_000) for count in counts]
    labels = [str(i % 4) for i in range(given.images)]
    with tempfile.TemporaryDirectory() as place:
        folder = write_encoder(Path(place) / given.sounds, given.sounds, **ENCODER)
        return _measured(sound_source_of_folder(folder), open_target((waves, labels)), given)


def _measured(source: Source, target: Target, given: argparse.Namespace) -> int:
    images = target.train
    with tempfile.TemporaryDirectory() as folder:
        readers = FeatureReaders(
            FeatureStore(Path(folder)), PixelStore(1 << 30), load_backbone, torch.device("cpu")
        )
        task = Task(
            source=source,
            scenario=ScenarioKind.LABELLED,
            class_names=images.class_names,
            train=images,
            features=readers[source],
            device=readers.device,
            load_backbone=lambda: load_backbone(source),
        )
        return _report(task, readers[source].standardised(images), given.repeats)


def _report(task: Task, x: torch.Tensor, repeats: int) -> int:
    source, labels, backbone = task.source, task.train.labels, task.backbone()
    classes = torch.from_numpy(labels.copy())
    stage, left = half_way(backbone, x[:BATCH])
    K, several = len(task.class_names), VARIED.get(task.train.modality, "flip")
    bare = HeadedSuffix.after(backbone, 0, K, task.device, seed=0)[1]

    def ours(frozen: int, augmentation: str) -> Callable[[], None]:
        network = HeadedSuffix.after(backbone, frozen, K, task.device, seed=0)[1]
        batches = Batches(task, frozen, augmentation)
        schedule = Schedule(epochs=1, batch_size=BATCH, learning_rate=1e-4)
        goal = objective(network, PLAIN, None)

        def epoch() -> None:
            train(network, batches, labels, schedule, seed=0, objective=goal)

        return epoch

    runs: dict[str, Callable[[], None]] = {
        "bare": lambda: bare_epoch(bare, x, classes),
        "whole network": ours(0, "none"),
        "half frozen and cached": ours(stage, "none"),
        "the same, several views": ours(stage, several),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    unit = median(seconds["bare"][1:])
    lines = [
        f"{source.architecture}, {source.preprocessing.told}, {len(x)} items, "
        f"{torch.get_num_threads()} threads",
        f"after stage {stage}, {left:.0%} of the operations of a pass are left",
        f"bare loop: {unit:.2f} s",
    ]
    missed = False
    for name, goal in (GOALS if several == "flip" else GOALS_OF_OTHERS).items():
        ratio = median(seconds[name][1:]) / unit
        missed = missed or ratio > goal
        lines.append(f"{name}: {ratio:.3f} x (goal {goal:.2f})")
    sys.stdout.write("\n".join(lines) + "\n")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
