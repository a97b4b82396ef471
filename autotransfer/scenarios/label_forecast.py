"""The forecast of labels of a fit or a ranking, from features that the cache has already."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autotransfer.data.holdout import Division
from autotransfer.forecasts import LabelForecast
from autotransfer.guard.verdict import default_margin
from autotransfer.models.features import FeatureReaders
from autotransfer.models.metrics import metric_named
from autotransfer.models.predictors.baselines import MAJORITY, TITLES
from autotransfer.models.source import Source
from autotransfer.results import Decision, Outcome, Ranking, ScenarioKind, State, Verdict
from autotransfer.search.pool import beginning
from autotransfer.transferability.learning_curve.forecasting import forecast_labels, settling
from autotransfer.transferability.learning_curve.power_law import (
    MIXTURE,
    WITHOUT_SOURCE,
    LearningCurve,
    fitted,
    through,
)
from autotransfer.transferability.learning_curve.subsampling import (
    MOST_ITEMS,
    Grams,
    Subsampled,
    subsampled,
)

LEAST_ITEMS = 8  # fewer say nothing about a curve
ACCURACY = "accuracy"
TRAINED = "the best trained network"


def measured_curve(
    sources: Sequence[Source], division: Division, readers: FeatureReaders, seed: int
) -> Subsampled | None:
    """Return the accuracies of probes on all sources with fewer labels than there are.

    Args:
        sources: Those that are read.
        division: The labelled items; those that were chosen for what they teach never test.
        readers: The feature cache.
        seed: Of the draws.

    Returns:
        None where there are too few items or no features.
    """
    images = division.images
    if not sources or len(images) < LEAST_ITEMS or len(np.unique(images.labels)) < 2:
        return None
    kept = np.arange(len(images))
    if len(images) > MOST_ITEMS:
        kept = beginning(images, MOST_ITEMS, seed)
    part = division.among(kept)
    tested = None if part.untested is None else ~part.untested
    if tested is not None and tested.sum() < LEAST_ITEMS:
        return None
    grams = Grams.of(
        [readers[source](part.images) for source in sources],
        part.images.labels,
        len(images.class_names),
    )
    return subsampled(
        grams, part.images.labels, len(images.class_names),
        tested=tested, units=part.units, seed=seed,
    )  # fmt: skip


def label_forecast(
    scenario: Any,
    ranking: Ranking,
    judged: tuple[Verdict, Sequence[Outcome]] | None = None,
    further: int | None = None,
) -> LabelForecast | None:
    """Return what more labels would buy, by the features that a ranking or a fit has read.

    Args:
        scenario: With labels: its sources, division, readers, metric and request are read.
        ranking: Says how many items each source has seen.
        judged: The verdict of a fit and everything that was tried; None after a ranking alone.
        further: A number of further labels that is told of; None for some round ones.
    """
    if scenario.kind is not ScenarioKind.LABELLED:  # seen classes say nothing of unseen ones
        return None
    division, seed = scenario.division, scenario.request.options.seed
    if judged is None:  # of many items, a ranking reads the first ones
        seen = {row.source: row.num_images for row in ranking.rows}
        fewest = min(seen[name] for name in ranking.shortlist)
        division = division.among(beginning(division.images, fewest, seed))
    sources = scenario.sources.sources
    read = [s for s in sources if not scenario.readers[s].missing(division.images)]
    measured = measured_curve(read, division, scenario.readers, seed)
    if measured is None:
        return None
    measured = replace(measured, num_labels=len(scenario.items))
    if judged is None or scenario.metric != ACCURACY:
        return forecast_labels(measured, len(read), further=further)
    strategies = scenario.request.registry.strategies
    trained = [name for name, strategy in strategies.items() if strategy.trains]
    return forecast_of_fit(measured, len(read), *judged, trained=trained)


def forecast_of_fit(
    measured: Subsampled,
    num_sources: int,
    verdict: Verdict,
    outcomes: Sequence[Outcome],
    *,
    trained: Collection[str],
) -> LabelForecast:
    """Return what more labels would buy, and what is expected to overtake the probes.

    Args:
        measured: Accuracies of probes with fewer labels.
        num_sources: That they read.
        verdict: Its best baseline is taken forward by what such curves are like.
        outcomes: The best one that trained a network is taken forward as well.
        trained: Names of the strategies that train.
    """
    curve, n, num_classes = fitted(measured), measured.num_labels, measured.num_classes
    rivals: dict[str, LearningCurve] = {}
    tested = [b for b in verdict.baselines if b.test is not None and b.whole
              and b.name != MAJORITY]  # fmt: skip
    if tested and verdict.test is not None:
        best = max(tested, key=lambda b: b.test or 0.0)
        error = _error(best.test or 0.0, verdict.test.n)
        title = f"{TITLES.get(best.name, best.name)}, without a source"
        rivals[title] = through(best.test or 0.0, n, num_classes, error, WITHOUT_SOURCE)
    networks = [o for o in outcomes if o.strategy in trained and o.state is State.COMPLETE
                and o.value is not None]  # fmt: skip
    if networks:
        value = max(o.value or 0.0 for o in networks)
        title = TRAINED
        rivals[title] = through(value, n, num_classes, _error(value, n), MIXTURE)
    found = forecast_labels(measured, num_sources, rivals)
    if verdict.decision is not Decision.INCONCLUSIVE or not tested or verdict.test is None:
        return found
    assert verdict.gap is not None
    assert verdict.minimum_detectable is not None
    rival_score = verdict.test.value - verdict.gap.value
    rival = through(
        rival_score, n, num_classes, _error(rival_score, verdict.test.n), WITHOUT_SOURCE
    )
    least = default_margin(metric_named(ACCURACY), verdict.test.n)
    settled = settling(
        curve, rival, n, verdict.gap.value, detectable=verdict.minimum_detectable, least=least
    )
    return replace(found, settled=settled)


def _error(accuracy: float, n: int) -> float:
    """Return the standard error of an accuracy on n items; one of none wrong is not zero."""
    wrong = (n * (1 - accuracy) + 0.5) / (n + 1)
    return float(np.sqrt(wrong * (1 - wrong) / n))
