"""A chosen point, fitted again without some classes, on fewer images, or in closed form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import PluginError
from autotransfer.models.predictors.base import FeatureReader, Predictor
from autotransfer.models.source import Source
from autotransfer.plugin.need import Need
from autotransfer.plugin.strategy import Strategy, Task, Trial
from autotransfer.plugin.zero_shot import AttributePredictor, ClosedForm, LeavesClassesOut
from autotransfer.results import ParamValue
from autotransfer.scenarios.zero_shot.calibrated_stacking import Division
from autotransfer.scenarios.zero_shot.trials import ZeroShotContext

_PARTS = 4  # one in four images of the seen classes is held back to calibrate with

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """One point of an arm, which can be fitted again."""

    context: ZeroShotContext
    source: Source
    strategy: Strategy
    params: dict[str, ParamValue]
    seed: int

    @property
    def reader(self) -> FeatureReader:
        """Return the features of the source."""
        return self.context.readers[self.source]

    @property
    def trial(self) -> Trial:
        """Return the rules of a fit."""
        return Trial(self.params, lambda _progress, _predictor: None, None, self.seed)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Return every source that it reads, its own first."""
        if Need.COMPANIONS not in self.strategy.needs:
            return (self.source,)
        return (self.source, *self._task(self.context.images).companions)

    def fit(self, train: ImageSet) -> AttributePredictor:
        """Return the predictor that learns from some of the images.

        Raises:
            PluginError: If the strategy returns one that cannot score attribute rows.
        """
        predictor = self.strategy.fit(self._task(train), self.trial)
        return as_attribute_predictor(predictor, self.strategy.name)

    def closed_form(self) -> ClosedForm | None:
        """Return scores of held-out classes without any fit, where the strategy has them."""
        if not isinstance(self.strategy, LeavesClassesOut):
            return None
        return self.strategy.left_out(self._task(self.context.images), self.trial)

    def _task(self, train: ImageSet) -> Task:
        return self.context.seen_by(self.strategy).task(self.source, train)

    def fitted_again(self, classes: Sequence[int]) -> Array:
        """Return (1, b, K) scores of the images of some classes, by a fit without them."""
        predictor = self.fit(self.context.without(classes))
        images = self.context.images_of(classes)
        return predictor.scores(images, self.reader, self.context.table.values)[None]

    def divisions(self, say: Callable[[str], None]) -> list[Division]:
        """Return scores for calibration: held-out classes, and held-back images of the rest."""
        say(f"calibrating seen against unseen classes on {len(self.context.folds)} divisions")
        images, table = self.context.images, self.context.table
        found = []
        for number, fold in enumerate(self.context.folds):
            held_back = fold.train[_part_of(images.subset(fold.train)) == number % _PARTS]
            train = np.setdiff1d(fold.train, held_back)
            held_out = np.unique(images.labels[fold.validation])
            order = np.concatenate([np.setdiff1d(np.arange(table.num_seen), held_out), held_out])
            shown = images.subset(np.concatenate([held_back, fold.validation]))
            predictor = self.fit(images.subset(train))
            scores = predictor.scores(shown, self.reader, table.values[order])
            place = np.argsort(order)
            found.append(Division(scores, place[shown.labels], len(order) - len(held_out)))
        return found


def as_attribute_predictor(predictor: Predictor, strategy: str) -> AttributePredictor:
    """Return the predictor, which has to score attribute rows.

    Raises:
        PluginError: If it cannot.
    """
    if not isinstance(predictor, AttributePredictor):
        raise PluginError(
            strategy,
            f"returned a {type(predictor).__name__}; in the zero-shot scenario a strategy returns "
            "an autotransfer.plugin.zero_shot.AttributePredictor",
        )
    return predictor


def _part_of(images: ImageSet) -> NDArray[np.int64]:
    """Return the (n,) part of each image, by its content; every class is in all parts."""
    parts = np.zeros(len(images), dtype=np.int64)
    digests = np.array(images.digests)
    for label in np.unique(images.labels):
        members = np.flatnonzero(images.labels == label)
        _, place = np.unique(digests[members], return_inverse=True)
        parts[members] = place % _PARTS
    return parts
