"""Whether the search of a target with labels has found enough."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property, partial

import numpy as np
import torch

from autotransfer.models.source import Source
from autotransfer.results import Outcome, Stopped
from autotransfer.scenarios.base import Candidates, Enough
from autotransfer.scenarios.run import Run
from autotransfer.search.choice import measured_gain
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.search.expected_gain import (
    BEYOND_THE_RECORD,
    OVER_A_MIXTURE,
    Gain,
    recorded,
    trained_over_a_mixture,
)
from autotransfer.search.finalists import Finalists
from autotransfer.search.stopping import Worth

PASSES = 30  # of an item in a training at its defaults: ten epochs, each three forward passes
PROBE_SECONDS = 0.05
TIMED = 8  # items that are passed to learn how long that takes


def enough(candidates: Candidates, run: Run, finalists: Finalists) -> Enough:
    """Return what ends a search whose further trials are not worth their time.

    A search ends by itself only where it has a time limit, competes with the obvious, and was not
    told which strategies to try, how many trials to run, or to keep searching.
    """
    options, budget = run.options, run.request.budget
    asked = options.keep_searching or options.strategies or budget.trials is not None
    if asked or budget.seconds is None or not candidates.obvious:
        return lambda _outcomes, _seconds, _seconds_left: None
    return _Enough(finalists)


class _Enough:
    """What is known before the first trial is found out when it is asked for."""

    def __init__(self, finalists: Finalists) -> None:
        self._finalists, self._arms = finalists, finalists.arms.trained
        self._worth: Worth | None = None

    def __call__(
        self, outcomes: Sequence[Outcome], seconds: float, seconds_left: float
    ) -> Stopped | None:
        if not self._finalists.obvious(outcomes):
            return None
        if self._worth is None:
            metric = self._finalists.context.metric
            self._worth = Worth(
                metric,
                self._known(outcomes).of(metric),
                partial(_measured, self._finalists),
                frozenset(strategy.name for strategy in self._arms.strategies),
                self._first_seconds,
            )
        return self._worth(outcomes, seconds, seconds_left)

    @property
    def _trains(self) -> bool:
        return any(strategy.trains for strategy in self._arms.strategies)

    def _known(self, outcomes: Sequence[Outcome]) -> Gain:
        """Return what is known of the gain over the obvious."""
        expected = self._finalists.terms(outcomes).expected or OVER_A_MIXTURE
        architectures = [source.architecture for source in self._arms.sources]
        if not recorded(architectures):
            return BEYOND_THE_RECORD
        if not self._trains:
            return expected.frozen
        if expected is not OVER_A_MIXTURE:
            return expected.trained
        labels = self._finalists.context.images.labels
        return trained_over_a_mixture(float(np.median(np.bincount(labels))), architectures)

    @cached_property
    def _first_seconds(self) -> float:
        """Return the seconds of a trial at its defaults on the best source."""
        if not self._trains:
            return PROBE_SECONDS
        learnt = sum(len(train) for train, _ in self._finalists.context.divisions())
        return PASSES * learnt * _pace(self._finalists.context, self._arms.sources[0])


def _measured(finalists: Finalists, outcomes: Sequence[Outcome]) -> tuple[float, float] | None:
    """Return the gain over the obvious, and its standard error; None without a challenger."""
    said, labels = finalists.candidates(outcomes), finalists.context.validation_labels
    if len(said) < 2:
        return None
    return measured_gain(said, finalists.folds, labels, finalists.terms(outcomes))


def _pace(context: LabelledContext, source: Source) -> float:
    """Return the seconds of a forward pass of an item, measured where none was needed so far."""
    reader = context.readers[source]
    if reader.pace is not None:
        return reader.pace
    network = context.readers.load(source).to(context.readers.device).eval()
    x = reader.standardised(context.images.subset(np.arange(min(TIMED, len(context.images)))))
    with torch.inference_mode():
        network.features(x)  # the first one takes longer
        began = time.perf_counter()
        network.features(x)
    return (time.perf_counter() - began) / len(x)
