"""Zero-shot rows of the record: classes of awa_cifar100 dealt out anew, many times.

In every split some of the twenty classes are unseen and the others learnt from. What is out of
fold is what the held-out classes of a fit say.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from autotransfer.scenarios.zero_shot.refits import Point
from autotransfer_attribute_zero_shot import AttributeZeroShot
from autotransfer_attribute_zero_shot.mean import MeanOfEszsl
from tests.benchmarks.default_eszsl import DefaultEszsl
from tests.benchmarks.transfer_cells import Key, scored
from tests.benchmarks.transfer_features import Features
from tests.benchmarks.transfer_targets import POOLS, Pool
from tests.benchmarks.zero_shot_splits import Pictures, Split

UNSEEN = (5, 3, 8)  # classes
SPLITS = 15  # of each
LEARNT = 20  # images of each class; the others are tested
POOL_NAMES = ("awa-seen", "awa-unseen")
MIDDLE, CHOSEN, MEAN = "eszsl", "attribute-zero-shot", "mean-of-eszsl"


def pools() -> list[Pool]:
    """Return the pools that are read."""
    return [pool for pool in POOLS if pool.name in POOL_NAMES]


def leaks(key: Key, features: Features) -> bool:
    """Return whether a network that is read has learnt the classes with images: ImageNet."""
    return not key.source or any(
        pool.leaks(source)
        for pool in pools()
        for source in features.sources
        if source.name == key.source
    )


def images_of(features: Features) -> Pictures:
    """Return the last-stage features of all images."""
    names: list[str] = []
    learned: list[bool] = []
    for pool in pools():
        labels, class_names = features.labels(pool)
        turns = np.zeros(len(labels), dtype=np.int64)
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            turns[members] = np.arange(len(members))
        names += [class_names[label] for label in labels]
        learned += (turns < LEARNT).tolist()
    by_source = {
        source.name: np.concatenate(
            [features.stages(pool, source.name)[-1].astype(np.float32) for pool in pools()]
        )
        for source in features.sources
    }
    return Pictures(by_source, np.array(names), np.array(learned))


def zero_shot(
    images: Pictures, kit: Path, num_unseen: int, number: int
) -> tuple[dict[Key, dict[str, Any]], int, int]:
    """Return the scores of every row of a split, and how many images were learnt and tested.

    Args:
        images: All images.
        kit: The kit.
        num_unseen: Number of unseen classes.
        number: Which split.
    """
    table = str(kit / "data" / "awa_cifar100_attributes.csv")
    split = Split.of(images, table, num_unseen, number)
    found = {}
    for key, point in _points(split):
        began = time.perf_counter()
        held_out = split.held_out(point)
        first = split.table.num_seen
        predictor = point.fit(split.context.images)
        scores = predictor.scores(split.tests, point.reader, split.table.values[first:])
        rows = {
            "out_of_fold": scored(split.context.validation_labels, held_out),
            "true": scored(split.tests.labels - first, softmax(scores, axis=1)),
        }
        found[key] = {
            **{f"{part}_{name}": v for part, some in rows.items() for name, v in some.items()},
            "milliseconds": 1000 * (time.perf_counter() - began),
        }
    return found, len(split.context.images), len(split.tests)


def _points(split: Split) -> Iterator[tuple[Key, Point]]:
    context = split.context
    middle, chosen = DefaultEszsl(), AttributeZeroShot()
    params = chosen.space(context.task(context.pool[0], context.images).info).defaults()
    default = context.pool[0]
    yield Key(MEAN), Point(context, default, MeanOfEszsl(), {}, 0)
    yield Key(CHOSEN, default.name), Point(context, default, chosen, params, 0)
    for source in context.pool:
        yield Key(MIDDLE, source.name), Point(context, source, middle, {}, 0)
