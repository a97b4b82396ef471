"""What the source's own head knows of the classes, matched by name.

A class that the source was trained on is not new to it; figures with and without such classes say
how much of a zero-shot result is the source's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import UndefinedScoreError
from autotransfer.models.catalogue.class_names import columns_of
from autotransfer.models.predictors.base import FeatureReader
from autotransfer.models.source import Source
from autotransfer.scenarios.zero_shot.metrics import per_class_top1


def known_to_any(sources: Sequence[Source], names: Sequence[str]) -> NDArray[np.bool_]:
    """Return (K,) whether some source was trained on each class, by name."""
    known = np.zeros(len(names), dtype=np.bool_)
    for source in sources:
        known |= known_classes(source, names) >= 0
    return known


def known_classes(source: Source, names: Sequence[str]) -> NDArray[np.int64]:
    """Return the (K,) column of each class in the source's head; -1 where it is not known."""
    if source.class_names is None:
        return np.full(len(names), -1, dtype=np.int64)
    return columns_of(names, source.class_names)


def head_among(
    images: ImageSet, columns: NDArray[np.int64], reader: FeatureReader
) -> float | None:
    """Return per-class top-1 of the head among the classes it knows.

    Args:
        images: Labelled images.
        columns: (K,) column of each label; -1 for none.
        reader: The source.

    Returns:
        None where it knows fewer than two of the classes that occur.
    """
    known = [k for k in np.unique(images.labels) if columns[k] >= 0]
    shares = _shares(images, reader) if len(known) > 1 else None
    if shares is None:
        return None
    chosen = np.isin(images.labels, known)
    guesses = np.array(known)[shares[chosen][:, columns[known]].argmax(axis=1)]
    return per_class_top1(images.labels[chosen], guesses)


def head_in_pairs(
    images: ImageSet, columns: NDArray[np.int64], reader: FeatureReader
) -> float | None:
    """Return the mean over pairs of known classes of per-class top-1 between the two."""
    known = [k for k in np.unique(images.labels).tolist() if columns[k] >= 0]
    shares = _shares(images, reader) if len(known) > 1 else None
    if shares is None:
        return None
    found = []
    for i, j in combinations(known, 2):
        margin = shares[:, columns[i]] - shares[:, columns[j]]
        right = (margin > 0) + 0.5 * (margin == 0)
        wrong_side = 1 - right[images.labels == j]
        found.append((right[images.labels == i].mean() + wrong_side.mean()) / 2)
    return float(np.mean(found))


def _shares(images: ImageSet, reader: FeatureReader) -> NDArray[np.float32] | None:
    try:
        return reader.probabilities(images)
    except UndefinedScoreError:
        return None
