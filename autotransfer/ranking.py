"""The ranking: transferability scores of every source on the search pictures, and a shortlist.

It is budgeted: every source sees a first round of pictures, then a second one as far as the
time goes. The consensus is the mean rank over the estimators; no estimator decides alone.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import (
    AutotransferError,
    DataWarning,
    InvalidSourceError,
    NoCandidateError,
    ReducedBudgetWarning,
    UndefinedScoreError,
)
from autotransfer.features import FeatureReaders
from autotransfer.problem import Source
from autotransfer.results import RankedSource, Ranking, Skipped
from autotransfer.transferability.estimator import TransferabilityEstimator
from autotransfer.transferability.statistics import Statistics

DEFAULT_ESTIMATORS = ("logme", "knn", "regularised-h-score")
ROUNDS = (100, 300)  # pictures that every source sees
SHORTLIST_FRACTION = 0.3
SHORTLIST_LEAST = 3
_HALF_SAMPLES = 20  # for the interval of a rank
_INTERVAL = (5, 95)  # percentiles of the rank over half samples


@dataclass(frozen=True)
class _Scored:
    """What is known of one source."""

    source: Source
    features: NDArray[np.float32]
    scores: Mapping[str, float]
    seconds: float


def rank_sources(
    sources: Sequence[Source],
    images: ImageSet,
    readers: FeatureReaders,
    estimators: Sequence[TransferabilityEstimator],
    *,
    seed: int,
    max_sources: int | None = None,
    seconds: float | None = None,
) -> tuple[Ranking, list[Skipped]]:
    """Return all sources, best first, and those that could not be ranked.

    Args:
        sources: The candidates.
        images: The labelled search pictures; nothing sealed.
        readers: The feature cache.
        estimators: The scores of the consensus.
        seed: Chooses the pictures of the rounds.
        max_sources: Largest size of the shortlist.
        seconds: Time for all forward passes; None is no limit.

    Raises:
        NoCandidateError: If no source is left.
    """
    order = _stratified_order(images.labels, seed)
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    usable, skipped = _first_round(sources, images.subset(order[: ROUNDS[0]]), readers, deadline)
    if not usable:
        raise NoCandidateError([f"{skip.source}: {skip.reason}" for skip in skipped])
    sample = images.subset(_affordable(order, usable, readers, images, deadline))
    scored = [_score(source, sample, readers, estimators) for source in usable]
    rows = _rows(scored, sample.labels, readers, estimators, seed)
    size = max(SHORTLIST_LEAST, math.ceil(SHORTLIST_FRACTION * len(sources)))
    if max_sources is not None:
        size = min(size, max_sources)
    return Ranking(tuple(rows), tuple(row.source for row in rows[:size])), skipped


def _stratified_order(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return all positions so that every beginning holds the classes in even shares."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    turn = np.empty(len(labels))
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        turn[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.argsort(turn, kind="stable").astype(np.int64)


def _first_round(
    sources: Sequence[Source], images: ImageSet, readers: FeatureReaders, deadline: float
) -> tuple[list[Source], list[Skipped]]:
    usable: list[Source] = []
    skipped: list[Skipped] = []
    for source in sources:
        if time.monotonic() > deadline and usable:
            skipped.append(Skipped(source.name, "*", "no time was left to rank it"))
            continue
        try:
            readers[source](images)
        except InvalidSourceError as error:
            skipped.append(Skipped(source.name, "*", str(error)))
            warnings.warn(f"left out: {error}", DataWarning, stacklevel=3)
            continue
        finally:
            readers.release()
        usable.append(source)
    return usable, skipped


def _affordable(
    order: NDArray[np.int64],
    sources: Sequence[Source],
    readers: FeatureReaders,
    images: ImageSet,
    deadline: float,
) -> NDArray[np.int64]:
    """Return the pictures of the second round, or of the first where time is short."""
    first, second = order[: ROUNDS[0]], order[: ROUNDS[1]]
    wanted = images.subset(second)
    missing = {source.name: readers[source].missing(wanted) for source in sources}
    pace = sum(readers[s].seconds / ROUNDS[0] * missing[s.name] for s in sources)
    if time.monotonic() + pace > deadline:
        warnings.warn(
            f"the ranking rests on {len(first)} pictures; {len(second)} would have taken "
            f"{pace:.0f} s more",
            ReducedBudgetWarning,
            stacklevel=3,
        )
        return first
    return second


def _score(
    source: Source,
    images: ImageSet,
    readers: FeatureReaders,
    estimators: Sequence[TransferabilityEstimator],
) -> _Scored:
    reader = readers[source]
    before, began = reader.seconds, time.perf_counter()
    features = reader(images)
    readers.release()
    scores = _scores(features, images.labels, estimators)
    seconds = before + time.perf_counter() - began
    return _Scored(source, features, scores, seconds)


def _scores(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    estimators: Sequence[TransferabilityEstimator],
) -> dict[str, float]:
    found = {}
    with threadpool_limits(1):  # a few hundred rows: threads cost more than they give
        statistics = Statistics.of(features, labels)
        for estimator in estimators:
            try:
                found[estimator.name] = estimator.score(statistics)
            except UndefinedScoreError:
                continue
    return found


def _mean_ranks(
    scores: Sequence[Mapping[str, float]], estimators: Sequence[TransferabilityEstimator]
) -> NDArray[np.float64]:
    """Return the mean rank of each source over the estimators that are defined for it."""
    ranks = np.full((len(estimators), len(scores)), np.nan)
    for row, estimator in zip(ranks, estimators, strict=True):
        values = np.array([score.get(estimator.name, np.nan) for score in scores])
        defined = ~np.isnan(values)
        row[defined] = rankdata(-values[defined])
    undefined = np.isnan(ranks).all(axis=0)
    ranks[:, undefined] = len(scores)
    mean: NDArray[np.float64] = np.nanmean(ranks, axis=0)
    return mean


def _places(consensus: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the place of each source; ties keep the order of the catalogue."""
    places = np.empty(len(consensus), dtype=np.int64)
    places[np.argsort(consensus, kind="stable")] = np.arange(1, len(consensus) + 1)
    return places


def _rank_intervals(
    scored: Sequence[_Scored],
    labels: NDArray[np.int64],
    estimators: Sequence[TransferabilityEstimator],
    seed: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the best and worst place of each source over half samples of the pictures.

    Half samples without replacement: a bootstrap would repeat pictures, and the nearest
    neighbour of a repeated picture is itself.
    """
    places = []
    for draw in range(_HALF_SAMPLES):
        half = _stratified_order(labels, seed + 1 + draw)[: max(len(labels) // 2, 2)]
        if len(np.unique(labels[half])) < 2:
            continue
        scores = [_scores(item.features[half], labels[half], estimators) for item in scored]
        places.append(_places(_mean_ranks(scores, estimators)))
    if not places:
        return np.ones(len(scored), np.int64), np.full(len(scored), len(scored), np.int64)
    low, high = np.percentile(places, _INTERVAL, axis=0, method="nearest")
    return low.astype(np.int64), high.astype(np.int64)


def _rows(
    scored: Sequence[_Scored],
    labels: NDArray[np.int64],
    readers: FeatureReaders,
    estimators: Sequence[TransferabilityEstimator],
    seed: int,
) -> list[RankedSource]:
    consensus = _mean_ranks([item.scores for item in scored], estimators)
    places = _places(consensus)
    try:
        low, high = _rank_intervals(scored, labels, estimators, seed)
    except AutotransferError:
        low, high = places, places
    rows = [
        RankedSource(
            source=item.source.name,
            rank=int(places[i]),
            rank_low=int(min(low[i], places[i])),
            rank_high=int(max(high[i], places[i])),
            score=float(consensus[i]),
            stage=readers[item.source].num_stages,
            estimators=item.scores,
            seconds=item.seconds,
            megabytes=readers[item.source].layout.megabytes,
            num_images=len(labels),
        )
        for i, item in enumerate(scored)
    ]
    return sorted(rows, key=lambda row: row.rank)
