"""The classical baseline of items that a plugin adds: its numbers about them, read linearly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.item_kinds import described
from autotransfer.models.predictors.descriptions import DescriptionPredictor


@dataclass(frozen=True)
class ItemPredictor(DescriptionPredictor):
    """A linear classifier on the numbers that a plugin says about its items."""

    titles: ClassVar[Mapping[str, str]] = {}
    baseline = "the baseline of numbers"

    @override
    def described(self, items: ImageSet) -> NDArray[np.float32]:
        found = described(items)
        if found is None:
            raise ValueError(f"nothing describes {items.modality.plural} any more")
        return found

    @property
    @override
    def title(self) -> str:
        return f"numbers about each {self.description} + logistic regression"


def fit_described(
    train: ImageSet, num_classes: int, *, seed: int, deadline: float | None = None
) -> ItemPredictor:
    """Return a logistic regression on a plugin's numbers, at its best strength by log loss.

    Args:
        train: The labelled items to learn from, of a kind that a plugin describes.
        num_classes: K; classes without an item get a probability near zero.
        seed: Seeds the folds.
        deadline: `time.monotonic()` after which no further strength is tried.

    Raises:
        InvalidTargetError: If the items are of fewer than two classes.
        ValueError: If the plugin describes none.
    """
    rows = described(train)
    if rows is None:
        raise ValueError(f"nothing describes {train.modality.plural}")
    named = {str(train.modality): rows}
    return ItemPredictor.fitted(named, train, num_classes, seed=seed, deadline=deadline)
