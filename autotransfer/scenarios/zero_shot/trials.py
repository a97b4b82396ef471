"""What all trials of a zero-shot fit share: held-out classes instead of held-out images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from autotransfer.data.attributes import Attributes
from autotransfer.data.image_set import ImageSet
from autotransfer.models.metrics import metric_named
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.scoring import Score, predicted
from autotransfer.models.source import Source
from autotransfer.plugin.strategy import Task
from autotransfer.results import ScenarioKind
from autotransfer.search.cross_validation import LabelledContext


@dataclass(frozen=True)
class ZeroShotContext(LabelledContext):
    """Images of the seen classes; in every fold some classes play the unseen ones.

    Args:
        table: Rows of all classes, those with images first, in the order of the labels.
    """

    table: Attributes = field(kw_only=True)

    @property
    @override
    def same_classes(self) -> bool:
        return False

    @override
    def task(self, source: Source, train: ImageSet) -> Task:
        """Return what a strategy may see: classes without an image in `train` are unseen."""
        table = self.table
        present = np.unique(train.labels)
        held_out = np.setdiff1d(np.arange(table.num_seen), present)
        unseen = [table.seen[i] for i in held_out] if len(held_out) else list(table.unseen)
        rows = table.reordered([table.seen[i] for i in present], unseen)
        labels = np.searchsorted(present, train.labels)
        relabelled = ImageSet(train, np.arange(len(train)), labels, rows.seen)
        return replace(
            super().task(source, relabelled),
            scenario=ScenarioKind.ZERO_SHOT,
            class_names=rows.class_names,
            attributes=rows,
        )

    @override
    def score(self, predictor: Predictor, validation: ImageSet, source: Source) -> Score:
        """Return per-class top-1 among the held-out classes alone."""
        held_out = np.unique(validation.labels)
        num_seen = self.table.num_seen
        found = predicted(predictor, validation, self.readers[source], num_seen)
        among = found[:, num_seen - len(held_out) :]  # the classes without images come last
        among = among / np.maximum(among.sum(axis=1, keepdims=True), 1e-300)
        labels = np.searchsorted(held_out, validation.labels)
        spread = np.zeros((len(found), num_seen))
        spread[:, held_out] = among
        return Score(
            self.metric.score(labels, among),
            -metric_named("log_loss").score(labels, among),
            spread,
        )

    def without(self, classes: Sequence[int]) -> ImageSet:
        """Return the images of all other classes."""
        return self.images.subset(np.flatnonzero(~self._of(classes)))

    def images_of(self, classes: Sequence[int]) -> ImageSet:
        """Return the images of some classes."""
        return self.images.subset(np.flatnonzero(self._of(classes)))

    def _of(self, classes: Sequence[int]) -> NDArray[np.bool_]:
        return np.isin(self.images.labels, np.asarray(classes))
