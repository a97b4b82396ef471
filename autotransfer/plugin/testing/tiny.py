"""Tiny generated items and a tiny network with random weights: no network, no files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autotransfer.data.attributes import Attributes
from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore, Preprocessing
from autotransfer.data.modality import Modality
from autotransfer.data.target import open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.sounds.small_network import small_sound_source
from autotransfer.models.source import Source, Untrained
from autotransfer.models.texts.hashed_words import small_text_source
from autotransfer.plugin.need import Need
from autotransfer.plugin.strategy import Strategy, Task
from autotransfer.results import ScenarioKind

SIDE = 32
RATE = 16_000  # samples a second: as the tiny network reads them
_WORDS = ("ash", "birch", "cedar", "elm", "fir", "oak", "pine", "yew")


def shapes(num_classes: int = 3, per_class: int = 6, *, seed: int = 0) -> ImageSet:
    """Return labelled items (n, 32, 32, 3): bars of another direction for each class."""
    rng = np.random.default_rng(seed)
    grid = np.indices((SIDE, SIDE)) / SIDE
    pixels, labels = [], []
    for label in range(num_classes):
        angle = np.pi * label / num_classes
        wave = np.cos(angle) * grid[0] + np.sin(angle) * grid[1]
        for _ in range(per_class):
            bars = np.sin(2 * np.pi * (4 * wave + rng.random()))[..., None]
            noisy = 0.5 + 0.3 * bars + rng.normal(0, 0.05, (SIDE, SIDE, 3))
            pixels.append(np.round(255 * np.clip(noisy, 0, 1)).astype(np.uint8))
            labels.append(f"direction {label}")
    return _opened(np.stack(pixels), labels, Modality.IMAGE)


def phrases(num_classes: int = 3, per_class: int = 6, *, seed: int = 0) -> ImageSet:
    """Return labelled texts of five words, two of them those of their class."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for label in range(num_classes):
        for _ in range(per_class):
            words = [f"first{label}", f"second{label}", *rng.choice(_WORDS, 3)]
            texts.append(" ".join(rng.permutation(words)))
            labels.append(f"topic {label}")
    return _opened(texts, labels, Modality.TEXT)


def tones(num_classes: int = 3, per_class: int = 6, *, seed: int = 0) -> ImageSet:
    """Return labelled sounds of a fifth of a second: a tone for each class, in noise."""
    rng = np.random.default_rng(seed)
    sounds, labels = [], []
    for label in range(num_classes):
        for _ in range(per_class):
            t = np.arange(int(RATE * rng.uniform(0.15, 0.25))) / RATE
            tone = np.sin(2 * np.pi * 400 * 2**label * t + rng.uniform(0, np.pi))
            wave = 0.4 * tone + rng.normal(0, 0.02, len(t))
            sounds.append((wave.astype(np.float32), RATE))
            labels.append(f"height {label}")
    return _opened(sounds, labels, Modality.SOUND)


def _opened(items: Any, labels: list[str], modality: Modality) -> ImageSet:
    return open_target((items, labels), minimum_per_class=1, modality=modality).train


# The items of a modality and networks for them: with random weights and without further packages.
_ITEMS: dict[Modality, Callable[..., ImageSet]] = {
    Modality.IMAGE: shapes, Modality.TEXT: phrases, Modality.SOUND: tones,
}  # fmt: skip
_NETWORKS = {Modality.TEXT: small_text_source, Modality.SOUND: small_sound_source}


def tiny_source(
    name: str = "tiny", *, seed: int = 0, modality: Modality = Modality.IMAGE
) -> Source:
    """Return a small network with random weights; of images timm's smallest residual one."""
    if modality in _NETWORKS:
        return replace(_NETWORKS[modality](seed), name=name)
    preprocessing = Preprocessing(SIDE, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    return Source(name, "test_resnet", Untrained(seed), preprocessing, {"num_classes": 5})


def tiny_readers(cache: Path) -> FeatureReaders:
    """Return feature readers whose cache is in the given folder."""
    return FeatureReaders(
        FeatureStore(cache), PixelStore(1 << 26), load_backbone, torch.device("cpu")
    )


def tiny_task(
    cache: Path,
    *,
    num_classes: int = 3,
    per_class: int = 6,
    seed: int = 0,
    modality: Modality = Modality.IMAGE,
) -> Task:
    """Return a labelled task on `shapes`, `phrases` or `tones` with `tiny_source`."""
    source, readers = tiny_source(modality=modality), tiny_readers(cache)
    images = _ITEMS[modality](num_classes, per_class, seed=seed)
    return Task(
        source=source,
        scenario=ScenarioKind.LABELLED,
        class_names=images.class_names,
        train=images,
        features=readers[source],
        device=readers.device,
        load_backbone=lambda: load_backbone(source),
    )


def task_for(
    strategy: Strategy,
    cache: Path,
    num_classes: int = 3,
    per_class: int = 6,
    *,
    modality: Modality = Modality.IMAGE,
) -> Task:
    """Return a small task in a setting of the strategy, with everything that it needs.

    In the zero-shot scenario there are two more classes without items, whose bars lie between
    those of the first three.
    """
    task = tiny_task(cache, num_classes=num_classes, per_class=per_class, modality=modality)
    items = _ITEMS[modality]
    scenario = next(scenario for scenario in ScenarioKind if scenario in strategy.scenarios)
    if scenario is ScenarioKind.ZERO_SHOT:
        task = _described(task) if Need.DESCRIPTIONS in strategy.needs else _zero_shot(task)
    if scenario is ScenarioKind.UNLABELLED or Need.UNLABELLED_TARGET in strategy.needs:
        unlabelled = items(num_classes, per_class, seed=1).without_labels()
        task = replace(task, unlabelled=unlabelled)
    if Need.SOURCE_IMAGES in strategy.needs:
        task = replace(task, source_images=items(num_classes, 8, seed=1))
    if Need.INTERMEDIATES in strategy.needs:
        task = replace(task, through=(items(num_classes, per_class, seed=2).without_labels(),))
    if Need.COMPANIONS in strategy.needs:
        task = replace(task, companions=(tiny_source("other", seed=1, modality=modality),))
    return replace(task, scenario=scenario)


def _described(task: Task) -> Task:
    """Return the task with the mean features of each class for its description, and two more."""
    x, labels = task.features(task.train), task.train.labels
    means = np.stack([x[labels == k].mean(axis=0) for k in range(len(task.class_names))])
    values = np.vstack([means, means[:2].mean(axis=0), means[-2:].mean(axis=0)])
    names = (*task.class_names, "between the first", "between the last")
    columns, seen = tuple(map(str, range(values.shape[1]))), len(task.class_names)
    table = Attributes(columns, names, values.astype(np.float64), seen)
    table = replace(table, describer=task.source.name, describer_key=task.source.fingerprint)
    return replace(task, class_names=names, attributes=table)


def _zero_shot(task: Task) -> Task:
    """Return the task with a row of attributes for each class and two more classes."""
    seen = len(task.class_names)
    angles = np.pi * np.append(np.arange(seen), [0.5, 1.5]) / seen
    values = np.column_stack([np.cos(2 * angles), np.sin(2 * angles)])
    names = (*task.class_names, "between 0 and 1", "between 1 and 2")
    return replace(
        task, class_names=names, attributes=Attributes(("cosine", "sine"), names, values, seen)
    )
