"""Every baseline that a labelled target is compared with, trained on the same pictures."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import DeadlineError, ReducedBudgetWarning
from autotransfer.evaluation.labelled import predicted, weighted
from autotransfer.guard.baseline_cache import BaselineCache
from autotransfer.guard.bootstrap import compare
from autotransfer.guard.majority import fit_majority
from autotransfer.guard.pixels import fit_pixels
from autotransfer.guard.restoring import (
    GIVEN,
    MAJORITY,
    PIXELS,
    SCRATCH,
    SMALL,
    TITLES,
    UNTRAINED,
)
from autotransfer.guard.scratch import SCHEDULE, fit_scratch, fit_untrained, untrained_twin
from autotransfer.guard.stand import Stand
from autotransfer.problem import Source
from autotransfer.saved_predictor import Kept
from autotransfer.search.trial import Arena
from autotransfer.single_thread import single_thread
from autotransfer.small_network import small_source
from autotransfer.strategy import Predictor

Predictions = NDArray[np.float64]


@dataclass(frozen=True)
class TrainedBaseline:
    """A baseline and what it says of the tested pictures.

    Args:
        name: Which one.
        probabilities: (m, K) predictions for the pictures of the stand; fewer rows where it was
            stopped because it could not win any more.
        whole: Whether it was not stopped.
        kept: The predictor of the last division and how to restore it.
        seconds: Wall time of training and predicting.
    """

    name: str
    probabilities: Predictions
    whole: bool
    kept: Kept
    seconds: float


@dataclass(frozen=True)
class Baselines:
    """Trains baselines, or takes them from where earlier ones are.

    Args:
        arena: The search pictures, the features and which baselines there are.
        finalist: The source whose architecture is trained from scratch.
        cache: Where earlier baselines are.
        seed: Seeds training.
        deadline: `time.monotonic()` at which the last one has to be done.
    """

    arena: Arena
    finalist: Source
    cache: BaselineCache
    seed: int
    deadline: float | None

    def on(self, stand: Stand) -> Iterator[TrainedBaseline]:
        """Yield every baseline, the cheap ones first.

        One that has clearly lost the first of several divisions to another is stopped there.
        """
        so_far: list[TrainedBaseline] = []
        for name in self.arena.baselines:
            began = time.perf_counter()
            parts: list[Predictions] = []
            kept: Kept | None = None
            try:
                for train, tested in stand.divisions:
                    kept, probabilities = self._one(name, train, tested)
                    parts.append(weighted(probabilities, self.arena.class_weights))
                    if (
                        name in (SMALL, SCRATCH)
                        and len(parts) == 1
                        and self._lost(parts[0], so_far, stand)
                    ):
                        break
            except DeadlineError:
                self._warn(name)
                continue
            assert kept is not None
            found = TrainedBaseline(
                name,
                np.concatenate(parts),
                len(parts) == len(stand.divisions),
                kept,
                time.perf_counter() - began,
            )
            so_far.append(found)
            yield found

    def trained(self, name: str) -> Kept:
        """Return a baseline that learnt from all search pictures.

        The deadline does not stop it: what is returned must not be cut short.
        """
        predictor, _ = self._fit(name, self.arena.images, None)
        return Kept(predictor, name, baseline=True, source=self._source(name))

    def _lost(self, first: Predictions, so_far: list[TrainedBaseline], stand: Stand) -> bool:
        """Return whether another baseline is surely better on the first of several divisions."""
        if len(stand.divisions) == 1:
            return False
        labels, m = stand.divisions[0][1].labels, len(first)
        others = {b.name: b.probabilities[:m] for b in so_far}
        found = compare(self.arena.metric, labels, first, others, units=stand.units[:m])
        return found.gap.high < 0

    def _warn(self, name: str) -> None:
        warnings.warn(
            f"no time was left for the baseline {TITLES[name]!r}; give more --seconds for a "
            "fuller test",
            ReducedBudgetWarning,
            stacklevel=3,
        )

    def _source(self, name: str) -> Source | None:
        if name == GIVEN:
            return self.arena.baseline_source
        if name == SMALL:
            return small_source(self.seed)
        return untrained_twin(self.finalist, self.seed) if name in (UNTRAINED, SCRATCH) else None

    def _one(self, name: str, train: ImageSet, tested: ImageSet) -> tuple[Kept, Predictions]:
        """Return a baseline trained on one division, and its predictions."""
        source = self._source(name)
        key = "|".join(
            [
                name,
                source.fingerprint + repr(source.preprocessing) if source else "",
                train.fingerprint,
                tested.fingerprint,
                ",".join(train.class_names),
                str(self.seed),
                repr(SCHEDULE),
            ]
        )
        found = self.cache.get(key)
        if found is not None:
            return found
        predictor, whole = self._fit(name, train, self.deadline)
        kept = Kept(predictor, name, baseline=True, source=source)
        reader = self.arena.reader_of(source)
        probabilities = predicted(predictor, tested, reader, len(train.class_names))
        if whole:
            self.cache.put(key, kept, probabilities)
        return kept, probabilities

    def _fit(self, name: str, images: ImageSet, deadline: float | None) -> tuple[Predictor, bool]:
        """Return the trained baseline, and whether time cut nothing short."""
        num_classes = len(images.class_names)
        if name == MAJORITY:
            return fit_majority(images, num_classes), True
        if name == PIXELS:
            with single_thread():  # many small fits: threads cost more than they give
                pixels = fit_pixels(images, num_classes, seed=self.seed, deadline=deadline)
            return pixels, deadline is None or time.monotonic() < deadline
        source = self._source(name)
        assert source is not None
        task = self.arena.task(source, images)
        if name in (UNTRAINED, GIVEN):
            return fit_untrained(task), True
        return fit_scratch(task, seed=self.seed, deadline=deadline)
