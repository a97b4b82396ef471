"""The reject option of what a fit returns, calibrated on the pictures of the fit."""

from __future__ import annotations

from dataclasses import replace

from autotransfer.data.image_set import ImageSet
from autotransfer.models.features import FeatureReaders
from autotransfer.models.out_of_distribution import Rejection
from autotransfer.search.checkpoint import Kept


def with_rejection(kept: Kept, images: ImageSet, readers: FeatureReaders) -> Kept:
    """Return the predictor with a reject option, where it reads a source.

    The features come from the cache: the ranking has made them for every picture.

    Args:
        kept: What is returned.
        images: The pictures that it learnt from.
        readers: Features of the sources.
    """
    if kept.source is None:
        return kept
    return replace(kept, rejection=Rejection.of(readers[kept.source](images)))
