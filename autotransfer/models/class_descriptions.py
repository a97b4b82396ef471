"""Sentences about classes as rows of attributes: what a source of texts sees in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.modality import Modality
from autotransfer.data.target import open_images
from autotransfer.models.features import FeatureReaders
from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.source import Source, Untrained

READ = Modality.TEXT  # what describes a class


@dataclass(frozen=True)
class Described:
    """The rows of all classes.

    Args:
        source: The source of texts that they are features of.
        values: (K, d) its last stage.
        right: Mean over the classes with items of the share that the nearest description names
            right; None where the source cannot read the items.
    """

    source: Source
    values: NDArray[np.float64]
    right: float | None


def describe(
    descriptions: Mapping[str, str],
    sources: Sequence[Source],
    readers: FeatureReaders,
    items: ImageSet,
) -> Described | None:
    """Return the rows by the source whose nearest description is right most often.

    Sources that cannot read the items are not compared: the first one is taken.

    Args:
        descriptions: A sentence for each of the K classes.
        sources: The candidates; None is returned where none of them is a pretrained one of texts.
        readers: Their features.
        items: Labelled items of some of the classes.
    """
    texts = open_images(list(descriptions.values()), modality=READ)
    names = list(descriptions)
    labels = np.array([names.index(items.class_names[label]) for label in items.labels])
    best: Described | None = None
    for source in sources:
        if source.modality is not READ or isinstance(source.weights, Untrained):
            continue
        reader = readers[source]
        values = np.asarray(reader(texts), np.float64)
        if items.modality is not READ:
            return Described(source, values, None)
        right = named_right(np.asarray(reader(items), np.float64), labels, values)
        if best is None or right > (best.right or 0.0):
            best = Described(source, values, right)
    return best


def named_right(
    features: NDArray[np.float64], labels: NDArray[np.int64], rows: NDArray[np.float64]
) -> float:
    """Return the mean over classes of the share of items whose nearest row is that of their class.

    Only rows of classes that have items compete.

    Args:
        features: (n, d) of the items.
        labels: (n,) places of their classes among the rows.
        rows: (K, d).
    """
    present = np.unique(labels)
    nearest = present[(unit_rows(features) @ unit_rows(rows[present]).T).argmax(axis=1)]
    return float(np.mean([(nearest[labels == k] == k).mean() for k in present]))
