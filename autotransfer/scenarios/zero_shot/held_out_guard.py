"""The test on held-out items of unseen classes."""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.attributes import Attributes
from autotransfer.data.image_set import ImageSet
from autotransfer.models.predictors.base import FeatureReader
from autotransfer.models.source import Source
from autotransfer.plugin.zero_shot import AttributePredictor
from autotransfer.scenarios.zero_shot.metrics import per_class_top1
from autotransfer.scenarios.zero_shot.pairs import Array, row_likeness, rows_for_classes
from autotransfer.scenarios.zero_shot.source_head import head_among, known_classes, known_to_any
from autotransfer.scenarios.zero_shot.verdict import HELD_OUT_ITEMS, Evidence

_DRAWS = 2000


def judge_held_out(
    predictor: AttributePredictor,
    images: ImageSet,
    table: Attributes,
    source: Source,
    reader: FeatureReader,
    *,
    seed: int,
) -> Evidence:
    """Return what held-out items of unseen classes say of the finalist.

    Args:
        predictor: The finalist.
        images: Images of unseen classes alone; labels are places in the table.
        table: Rows of all classes, the seen ones first.
        source: The source of the finalist.
        reader: Its features.
        seed: Draws the exchanged tables and resamples classes.
    """
    began = time.monotonic()
    scores = predictor.scores(images, reader, table.values)  # (n, K)
    labels = images.labels - table.num_seen
    unseen = np.arange(table.num_seen, len(table.class_names))
    guesses = scores[:, unseen].argmax(axis=1)
    drawn = rows_for_classes(len(table.class_names), seed=seed)[:, unseen]  # (N, K_u)
    null = np.array([per_class_top1(labels, scores[:, rows].argmax(axis=1)) for rows in drawn])
    tested = np.unique(labels)
    low, high = _interval(labels, guesses == labels, seed)
    known = known_to_any((source, *predictor.companions), table.class_names)
    return Evidence(
        basis=HELD_OUT_ITEMS,
        score=per_class_top1(labels, guesses),
        low=low,
        high=high,
        num_classes=len(tested),
        chance=1 / len(unseen),
        null=null,
        null_mean=float(null.mean()),
        assignments=float(math.perm(len(table.class_names), len(unseen))),
        nearest=_nearest(scores, labels, table),
        known=tuple(table.class_names[k] for k in unseen if known[k]),
        without_known=_among(scores, images.labels, unseen[~known[unseen]]),
        own_head=head_among(images, known_classes(source, table.class_names), reader),
        kind=images.modality.plural,
        seconds=time.monotonic() - began,
    )


def _among(scores: Array, labels: NDArray[np.int64], classes: NDArray[np.int64]) -> float | None:
    """Return per-class top-1 among some classes, on their own images."""
    chosen = np.isin(labels, classes)
    if len(classes) < 2 or not chosen.any():
        return None
    return per_class_top1(labels[chosen], classes[scores[chosen][:, classes].argmax(axis=1)])


def _nearest(scores: Array, labels: NDArray[np.int64], table: Attributes) -> float:
    """Return per-class top-1 of naming a seen class and taking the row most like its row."""
    named = scores[:, : table.num_seen].argmax(axis=1)
    likeness = row_likeness(table.values)[: table.num_seen, table.num_seen :]
    return per_class_top1(labels, likeness[named].argmax(axis=1))


def _interval(
    labels: NDArray[np.int64], hits: NDArray[np.bool_], seed: int
) -> tuple[float, float]:
    """Return the 95 % interval of per-class top-1: classes resampled, then their images."""
    rng = np.random.default_rng(seed)
    classes, counts = np.unique(labels, return_counts=True)
    shares = np.array([hits[labels == k].mean() for k in classes])
    drawn = rng.integers(len(classes), size=(_DRAWS, len(classes)))
    means = (rng.binomial(counts[drawn], shares[drawn]) / counts[drawn]).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
