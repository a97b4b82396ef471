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
from autotransfer.evaluation.labelled import predicted
from autotransfer.guard.baseline_cache import BaselineCache
from autotransfer.guard.majority import fit_majority
from autotransfer.guard.pixels import fit_pixels
from autotransfer.guard.restoring import GIVEN, MAJORITY, PIXELS, SCRATCH, TITLES, UNTRAINED
from autotransfer.guard.scratch import SCHEDULE, fit_scratch, fit_untrained, untrained_twin
from autotransfer.problem import Source
from autotransfer.saved_predictor import Kept
from autotransfer.search.trial import Arena
from autotransfer.single_thread import single_thread
from autotransfer.strategy import Predictor


@dataclass(frozen=True)
class TrainedBaseline:
    """A baseline and what it says of the sealed pictures.

    Args:
        kept: The predictor and how to restore it.
        probabilities: (m, K) predictions for the sealed pictures.
        seconds: Wall time of training and predicting.
    """

    kept: Kept
    probabilities: NDArray[np.float64]
    seconds: float

    @property
    def name(self) -> str:
        """Return the name of the baseline."""
        return self.kept.strategy


def train_baselines(
    arena: Arena,
    sealed: ImageSet,
    finalist: Source,
    cache: BaselineCache,
    *,
    seed: int,
    deadline: float | None,
) -> Iterator[TrainedBaseline]:
    """Yield every baseline, the cheap ones first.

    Args:
        arena: The search pictures; baselines learn from all of them.
        sealed: The sealed pictures.
        finalist: The source whose architecture is trained from scratch.
        cache: Where earlier baselines are.
        seed: Seeds training.
        deadline: `time.monotonic()` at which the last one has to be done.
    """
    twin = untrained_twin(finalist, seed)
    uses = {UNTRAINED: twin, SCRATCH: twin, GIVEN: arena.baseline_source}
    for name in arena.baselines:
        source = uses.get(name)
        began = time.perf_counter()
        key = "|".join(
            [
                name,
                source.fingerprint + repr(source.preprocessing) if source else "",
                arena.images.fingerprint,
                sealed.fingerprint,
                ",".join(arena.images.class_names),
                str(seed),
                repr(SCHEDULE),
            ]
        )
        found = cache.get(key)
        if found is None:
            try:
                predictor, whole = _fit(name, source, arena, seed, deadline)
            except DeadlineError:
                warnings.warn(
                    f"no time was left for the baseline {TITLES[name]!r}; give more --seconds for "
                    "a fuller test",
                    ReducedBudgetWarning,
                    stacklevel=2,
                )
                continue
            kept = Kept(predictor, name, baseline=True, source=source)
            probabilities = _predictions(kept, arena, sealed)
            if whole:
                cache.put(key, kept, probabilities)
        else:
            kept, probabilities = found
        yield TrainedBaseline(kept, probabilities, time.perf_counter() - began)


def _fit(
    name: str, source: Source | None, arena: Arena, seed: int, deadline: float | None
) -> tuple[Predictor, bool]:
    """Return the trained baseline, and whether time cut nothing short."""
    images = arena.images
    num_classes = len(images.class_names)
    if name == MAJORITY:
        return fit_majority(images, num_classes), True
    if name == PIXELS:
        with single_thread():  # many small fits: threads cost more than they give
            predictor = fit_pixels(images, num_classes, seed=seed, deadline=deadline)
        return predictor, deadline is None or time.monotonic() < deadline
    assert source is not None
    task = arena.task(source, images)
    if name in (UNTRAINED, GIVEN):
        return fit_untrained(task), True
    return fit_scratch(task, seed=seed, deadline=deadline)


def _predictions(kept: Kept, arena: Arena, sealed: ImageSet) -> NDArray[np.float64]:
    reader = arena.reader_of(kept.source)
    return predicted(kept.predictor, sealed, reader, len(arena.images.class_names))
