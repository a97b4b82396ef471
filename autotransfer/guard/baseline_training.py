"""One baseline, trained on some items, or taken from where an earlier one is."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.guard.baseline_cache import BaselineCache
from autotransfer.guard.from_scratch import (
    SCHEDULE,
    CannotWinError,
    Hopeless,
    fit_scratch,
    hopeless_where,
    untrained_twin,
)
from autotransfer.models.heads import fit_ridge
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.predictors.baselines import (
    DESCRIBED,
    GIVEN,
    MAJORITY,
    PIXELS,
    SCRATCH,
    SMALL,
    SPECTRA,
    TFIDF,
    UNTRAINED,
)
from autotransfer.models.predictors.described import fit_described
from autotransfer.models.predictors.dummy import fit_majority
from autotransfer.models.predictors.neural import HeadPredictor
from autotransfer.models.predictors.pixels import fit_pixels
from autotransfer.models.predictors.spectra import fit_spectra
from autotransfer.models.predictors.words import fit_words
from autotransfer.models.scoring import logit_adjusted, predicted
from autotransfer.models.single_thread import single_thread
from autotransfer.models.small_networks import small_network
from autotransfer.models.source import Source
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.search.cross_validation import LabelledContext

Predictions = NDArray[np.float64]
Lost = Callable[..., bool]

_CLASSICAL: dict[str, Callable[..., Predictor]] = {
    PIXELS: fit_pixels,
    SPECTRA: fit_spectra,
    DESCRIBED: fit_described,
    TFIDF: fit_words,
}
STOPPED = "|stopped"  # what a baseline is kept under that could not win any more


@dataclass(frozen=True)
class BaselineTrainer:
    """Trains baselines.

    Args:
        context: The search items, the features, which baselines there are, and how one is asked.
        finalist: The source whose architecture is trained from scratch.
    """

    context: LabelledContext
    finalist: Source
    cache: BaselineCache
    seed: int

    def source(self, name: str) -> Source | None:
        """Return the network that a baseline reads; None where it reads pixels."""
        if name == GIVEN:
            return self.context.baseline_source
        if name == SMALL:
            return small_network(self.context.images.modality, self.seed)
        return untrained_twin(self.finalist, self.seed) if name in (UNTRAINED, SCRATCH) else None

    def trained_on(
        self,
        name: str,
        train: ImageSet,
        tested: ImageSet,
        deadline: float | None,
        lost: Lost | None = None,
    ) -> tuple[Checkpoint, Predictions]:
        """Return a baseline trained on one division, or as far as it can win, and what it says."""
        source = self.source(name)
        learnt = (source.fingerprint if source else "", train.fingerprint, tested.fingerprint)
        settings = (",".join(train.class_names), str(self.seed), repr(SCHEDULE))
        key = "|".join((name, *learnt, *settings))
        found = self.cache.get(key)
        if found is not None:
            return found
        stopped = self.cache.get(key + STOPPED) if lost is not None else None
        if lost is not None and stopped is not None and lost(self._weighted(stopped[1])):
            return stopped
        reader, metric = self.context.reader_of(source), self.context.metric

        def said(predictor: Predictor) -> Predictions:
            return predicted(predictor, tested, reader, len(train.class_names))

        def lost_as_weighted(probabilities: Predictions, slack: float) -> bool:
            return lost is not None and lost(self._weighted(probabilities), slack)

        score = partial(metric.score, tested.labels)
        hopeless = None if lost is None else hopeless_where(said, score, lost_as_weighted)
        try:
            predictor, whole = self.fit(name, train, deadline, hopeless)
        except CannotWinError as stop:
            predictor, whole, key = stop.predictor, True, key + STOPPED
        kept = Checkpoint(predictor, name, baseline=True, source=source)
        probabilities = said(predictor)
        if whole:
            self.cache.put(key, kept, probabilities)
        return kept, probabilities

    def _weighted(self, probabilities: Predictions) -> Predictions:
        return logit_adjusted(probabilities, self.context.class_weights)

    def fit(
        self, name: str, images: ImageSet, deadline: float | None, hopeless: Hopeless | None = None
    ) -> tuple[Predictor, bool]:
        """Return the trained baseline, and whether time cut nothing short."""
        num_classes = len(images.class_names)
        if name == MAJORITY:
            return fit_majority(images, num_classes), True
        if name in _CLASSICAL:
            # many small fits, but for words: threads cost more than they give
            with nullcontext() if name == TFIDF else single_thread():
                found = _CLASSICAL[name](images, num_classes, seed=self.seed, deadline=deadline)
            return found, deadline is None or time.monotonic() < deadline
        source = self.source(name)
        assert source is not None
        task = self.context.task(source, images)
        if name in (UNTRAINED, GIVEN):
            head = fit_ridge(task.features(images), images.labels, len(task.class_names))
            return HeadPredictor(head, task.features.num_stages), True
        return fit_scratch(task, seed=self.seed, deadline=deadline, hopeless=hopeless)
