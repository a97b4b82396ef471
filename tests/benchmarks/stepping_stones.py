"""Rotated digits: self-training through intermediate angles, and as many rounds at once.

    python tests/benchmarks/stepping_stones.py KIT RESULTS.jsonl [--seeds N] [--images N]

Source images are turned by 0 to 20 degrees, the target by 60 to 80, two sets of intermediate
images by 10 to 50 and by 40 to 70; nobody has labels but the source. One line of RESULTS.jsonl
is one strategy with one seed, all with the same number of steps; accuracy is read from target
labels that no strategy saw.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.target import open_images, open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.small_cnn import small_source
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.results import ScenarioKind
from autotransfer.scenarios.unlabelled.intermediate_domains import (
    IntermediateDomain,
    choose_domain_path,
)

SOURCE, TARGET = (0, 20), (60, 80)
STONES = {"10 to 50": (10, 50), "40 to 70": (40, 70)}
STRATEGIES = ("source-only", "adabn", "mcc", "direct-self-training", "gradual-self-training")


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kit", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=1500)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for seed in range(chosen.seeds):
        _run(seed, chosen)


def _run(seed: int, chosen: argparse.Namespace) -> None:
    text = chosen.results.read_text(encoding="utf-8") if chosen.results.exists() else ""
    done = {(row["seed"], row["method"]) for row in map(json.loads, text.splitlines())}
    missing = [name for name in STRATEGIES if (seed, name) not in done]
    if not missing:
        return
    task, tested, truth, sentence = _task(seed, chosen)
    for name in missing:
        strategy = discover().strategies[name]
        params = strategy.space(task.info).defaults()
        began = time.perf_counter()
        predictor = strategy.fit(task, Trial(params, lambda _p, _q: None, None, seed))
        hits = predictor.predict(tested, task.features).argmax(axis=1) == truth
        row = {
            "seed": seed,
            "method": name,
            "route": sentence,
            "accuracy": float(hits.mean()),
            "seconds": time.perf_counter() - began,
        }
        with chosen.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(row, flush=True)  # noqa: T201


def _task(seed: int, chosen: argparse.Namespace) -> tuple[Task, ImageSet, NDArray[np.int64], str]:
    """Return the task, images that score, their labels, and the way that was chosen."""
    digits = open_target(str(chosen.kit / "data" / "mnist.npz")).train
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(digits))
    parts = [digits.subset(piece) for piece in np.split(order[: 5 * chosen.images], 5)]
    pixels = [_turned(p, rng, *angles) for p, angles in zip(parts, _angles(), strict=True)]
    labels = [digits.class_names[k] for k in parts[0].labels]
    source = open_target((pixels[0], labels)).train
    stones = [
        IntermediateDomain(name, open_images(pixels[place]), labelled=False)
        for place, name in enumerate(STONES, start=1)
    ]
    target = open_images(pixels[3])
    readers = FeatureReaders(
        FeatureStore(chosen.results.parent / "features"),
        PixelStore(1 << 30),
        load_backbone,
        torch.device("cpu"),
    )
    network = small_source()
    route = choose_domain_path(stones, source, target, readers[network], seed=seed)
    task = Task(
        source=network,
        scenario=ScenarioKind.UNLABELLED,
        class_names=source.class_names,
        train=source,
        features=readers[network],
        device=readers.device,
        load_backbone=lambda: readers.load(network),
        unlabelled=target,
        through=tuple(stone.images for stone in stones),  # run whatever the distances say
    )
    place = [source.class_names.index(name) for name in digits.class_names]
    truth = np.array(place, dtype=np.int64)[parts[4].labels]
    return task, open_images(pixels[4]), truth, route.refused or route.sentence


def _angles() -> list[tuple[int, int]]:
    return [SOURCE, *STONES.values(), TARGET, TARGET]


def _turned(images: ImageSet, rng: np.random.Generator, low: int, high: int) -> NDArray[np.uint8]:
    angles = rng.uniform(low, high, len(images))
    turned = [
        images[i].convert("L").rotate(float(angle), resample=Image.Resampling.BILINEAR)
        for i, angle in enumerate(angles)
    ]
    return np.stack([np.asarray(picture) for picture in turned])


if __name__ == "__main__":
    main()
