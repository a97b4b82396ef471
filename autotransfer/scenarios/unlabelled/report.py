"""What the report of a fit without target labels is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.modality import Modality
from autotransfer.models.features import FeatureReaders
from autotransfer.report import Material, Predicted
from autotransfer.report.material import Rejected, no_images
from autotransfer.results import Record
from autotransfer.scenarios.unlabelled.holdout import Part
from autotransfer.search.checkpoint import Checkpoint


def domain_names(modality: Modality) -> tuple[str, str]:
    """Return what the items of source and target are called in the report."""
    return f"source {modality.plural}", f"target {modality.plural}"


def material_without_labels(
    record: Record,
    readers: FeatureReaders,
    parts: Mapping[str, Part],
    returned: Checkpoint,
    *,
    predictors: Mapping[str, Checkpoint],
) -> Material:
    """Return what the report of a fit without target labels is made from.

    Args:
        record: What was found.
        readers: Features of the sources.
        parts: Source and target items, learnt from or held back, by what they are called, in this
            order.
        returned: What is returned.
        predictors: Source-only first, then the finalist where it adapts, by what they are
            called.
    """

    def embedded(kept: Checkpoint) -> Callable[[ImageSet], NDArray[np.float64]]:
        assert kept.source is not None
        reader = readers[kept.source]
        return lambda images: kept.predictor.embed(images, reader)

    def checked() -> Predicted:
        title, plain = next(iter(predictors.items()))
        assert plain.source is not None
        images = parts[of_source].held_out
        said = plain.predict(images, readers[plain.source])
        return Predicted(title, f"held-out {of_source}", images, said)

    def rejected() -> Rejected | None:
        open_set, images = returned.open_set, parts[of_target].learn
        if open_set is None or not open_set.found:
            return None
        features = readers[open_set.source](images)
        probability, out = open_set.judged(features)
        places = np.flatnonzero(out)
        return Rejected(images.subset(places), features[places], probability[places])

    source, (of_source, of_target) = returned.source, tuple(parts)
    assert source is not None
    return Material(
        record,
        images={name: part.learn for name, part in parts.items()},
        checked=cache(checked),
        rejected=cache(rejected) if returned.open_set is not None else no_images,
        unlabelled=of_target,
        predict=lambda images: returned.predict(images, readers[source]),
        features=readers[source],
        embeddings={title: embedded(kept) for title, kept in predictors.items()},
        domains={name: part.held_out for name, part in parts.items()},
    )
