"""How sure the ranking is: resampled items, for ranks and for a probe's accuracy."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from autotransfer.errors import AutotransferError
from autotransfer.models.single_thread import single_thread
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.transferability.ranking.consensus import mean_ranks, places
from autotransfer.transferability.ranking.scoring import Scored, scores_of

POINT = 0.01  # of accuracy
_DRAWS = 2000
_WEIGHTS_AT_ONCE = 1 << 22  # numbers: 32 MiB
_HALVES = 20
_MOST_IMAGES = 300  # beyond it halves cost more than they tell; the interval is then wide
_INTERVAL = (5, 95)  # percentiles of the place
_THREADS = 4


def probability_within_a_point(scored: Sequence[Scored], seed: int) -> NDArray[np.float64]:
    """Return how likely each source is within a point of the best one, for a probe.

    A paired bootstrap over items of the leave-one-out hits of a ridge probe at the best stage
    of each source. Where no probe is defined, every source may be the best.

    Returns:
        (S,) probabilities.
    """
    hits = np.stack([item.hits[item.stage - 1] for item in scored])  # (S, n)
    counted = ~np.isnan(hits).any(axis=0)
    if not counted.any():
        return np.ones(len(scored))
    hits = hits[:, counted]
    n = hits.shape[1]
    rng, parts = np.random.default_rng(seed), []
    at_once = max(1, _WEIGHTS_AT_ONCE // n)
    for begin in range(0, _DRAWS, at_once):
        draws = min(at_once, _DRAWS - begin)
        parts.append(hits @ rng.multinomial(n, np.full(n, 1 / n), size=draws).T / n)
    accuracies = np.concatenate(parts, axis=1)  # (S, draws)
    close: NDArray[np.float64] = (accuracies >= accuracies.max(axis=0) - POINT - 1e-12).mean(
        axis=1
    )
    return close


def rank_intervals(
    scored: Sequence[Scored],
    labels: NDArray[np.int64],
    estimators: Sequence[TransferabilityEstimator],
    families: Mapping[str, str],
    seed: int,
    *,
    fixed: Sequence[Mapping[str, float]] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the best and worst place of each source over half samples of the items.

    Halves without replacement vary as a bootstrap does; a bootstrap itself would repeat items,
    and the nearest neighbour of a repeated item is itself.

    Args:
        scored: The sources.
        labels: (n,) classes of the items they were scored on.
        estimators: The scores.
        families: The family of each score, those in `fixed` included.
        seed: Chooses the halves.
        fixed: Scores of each source that do not depend on the items.
    """
    rng = np.random.default_rng(seed)
    size = min(len(labels), _MOST_IMAGES) // 2
    halves = [rng.permutation(len(labels))[:size] for _ in range(_HALVES)]
    halves = [half for half in halves if len(np.unique(labels[half])) > 1]

    def place_on(half: NDArray[np.int64]) -> NDArray[np.int64]:
        scores = [_scores_on(item, half, labels, estimators) for item in scored]
        if fixed is not None:
            scores = [{**score, **more} for score, more in zip(scores, fixed, strict=True)]
        return places(mean_ranks(scores, families))

    # decompositions let other threads compute
    with single_thread(), ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as threads:
        drawn = list(threads.map(place_on, halves))
    if not drawn:
        return np.ones(len(scored), np.int64), np.full(len(scored), len(scored), np.int64)
    low, high = np.percentile(drawn, _INTERVAL, axis=0, method="nearest")
    return low.astype(np.int64), high.astype(np.int64)


def _scores_on(
    item: Scored,
    chosen: NDArray[np.int64],
    labels: NDArray[np.int64],
    estimators: Sequence[TransferabilityEstimator],
) -> dict[str, float]:
    probabilities = None if item.probabilities is None else item.probabilities[chosen]
    try:
        statistics = Statistics.of(item.features[chosen], labels[chosen], probabilities)
        return scores_of(statistics, estimators)
    except AutotransferError:
        return {}
