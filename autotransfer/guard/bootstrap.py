"""Finalist against its rival on the same items: one paired bootstrap.

Notation: n items, g = score(finalist) - score(rival), g* the same on resampled items. The limits
of the gap are the 2.5 % and 97.5 % quantiles of g*. The rival is one, and was chosen without
these items (`baseline_mixture.py`): nothing has to hold for several at once.

With few items on which two predictors differ, resampling sees too little: four wins and no
loss would count as proof. So each limit is moved outwards, where needed, to those of
`exact_limits`.

What is drawn are *units*: near-duplicates, or the user's groups; an item is its own unit
otherwise. Out of fold, finalist and rival are chosen again on several partitions of the units,
the *rounds*; a score is the mean over the rounds, which is the expected score of choosing. What
choice adds to the variance is more than the items show, and all limits are moved outwards by the
root of `inflation` (the figures are in `docs/negative-transfer.md`).

Predictors with identical answers have the gap 0 and the interval [0, 0].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autotransfer.guard.exact_limits import mcnemar, sign_limit, unseen
from autotransfer.models.metrics import Metric
from autotransfer.results import Interval

DRAWS = 4000
LEVEL = 0.025  # error on each side of a 95 % interval
Z_INTERVAL, Z_POWER = 1.96, 0.84  # normal quantiles of 97.5 % and 80 %
TOLERANCE = 1e-12  # scores that differ by less are equal; rounding must not decide a verdict
_CHUNK_ELEMENTS = 1 << 21  # drawn items held in memory at once


@dataclass(frozen=True)
class Comparison:
    """What resampling says of a finalist and its rival; every score is higher-is-better.

    Args:
        n: Number of units: of items, unless some belong together.
        test: Score of the finalist.
        rival: Score of the rival.
        gap: Finalist minus rival, with the interval of the verdict.
        narrow: The same with twice the error on each side, 5 % instead of 2.5 %: what lies within
            a margin on both sides is equal within it (two one-sided tests).
        minimum_detectable: Smallest true gap that is found four times out of five.
        mcnemar: Two-sided mid-p of the exact McNemar test.
        draws: (B,) resampled gaps.

    References:
        Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987 (`narrow`).
    """

    metric: Metric
    n: int
    test: Interval
    rival: float
    gap: Interval
    narrow: Interval
    standard_error: float
    minimum_detectable: float
    mcnemar: float
    draws: NDArray[np.float64] = field(repr=False, compare=False)

    def probability_above(self, threshold: float) -> float:
        """Return the share of resamples with a gap above the threshold."""
        return float((self.draws > threshold + TOLERANCE).mean())


@dataclass(frozen=True)
class _Pair:
    """The finalist and its rival: what each unit adds to the gap, and who wins it.

    Args:
        gap: Score of the finalist minus score of the rival.
        parts: (u,) what each unit adds to the gap.
        won: (u,) right answers of the finalist less those of the rival, the mean over the rounds.
        identical: Whether all that the metric reads is the same.
        counts_decisions: Whether the metric reads decisions.
    """

    gap: float
    parts: NDArray[np.float64]
    won: NDArray[np.float64]
    identical: bool
    counts_decisions: bool

    @classmethod
    def of(
        cls,
        metric: Metric,
        labels: NDArray[np.int64],
        finalist: NDArray[np.float64],
        other: NDArray[np.float64],
        units: NDArray[np.int64],
    ) -> _Pair:
        """Return the pair of two (R, n, K) predictions."""
        both = list(zip(finalist, other, strict=True))
        parts = np.mean(
            [metric.credits(labels, f) - metric.credits(labels, o) for f, o in both], 0
        )
        answers, other_answers = finalist.argmax(axis=-1), other.argmax(axis=-1)
        same = answers == other_answers if metric.reads_decisions else np.abs(parts) <= TOLERANCE
        hits = ((answers == labels).astype(np.float64) - (other_answers == labels)).mean(axis=0)
        won: NDArray[np.float64] = np.bincount(units, hits).astype(np.float64)
        added = np.bincount(units, np.where(np.abs(parts) <= TOLERANCE, 0.0, parts)).astype(float)
        return cls(
            gap=mean_score(metric, labels, finalist) - mean_score(metric, labels, other),
            parts=added,
            won=won,
            identical=bool(same.all()),
            counts_decisions=metric.reads_decisions,
        )

    def interval(self, sampled: NDArray[np.float64], level: float, inflation: float) -> Interval:
        """Return the resampled limits, moved outwards to the exact ones where needed.

        Args:
            sampled: (B,) resampled gaps.
            level: Error on each side.
            inflation: Of the variance.
        """
        n = len(self.parts)
        if self.identical:
            return Interval(self.gap, 0.0, 0.0, n)
        low, high = (float(limit) for limit in np.quantile(sampled, [level, 1 - level]))
        low = min(low, self.gap, sign_limit(self.parts, level))
        high = max(high, self.gap, -sign_limit(-self.parts, level))
        if self.counts_decisions:
            won = np.where(np.abs(self.won) <= TOLERANCE, 0.0, np.clip(self.won, -1, 1))
            low = min(low, self.gap - unseen(np.maximum(-won, 0), level))
            high = max(high, self.gap + unseen(np.maximum(won, 0), level))
        wider = inflation**0.5
        low, high = (self.gap + wider * (limit - self.gap) for limit in (low, high))
        return Interval(self.gap, low, high, n)

    @property
    def mcnemar(self) -> float:
        """Return the test's mid-p.

        Of several rounds a unit counts where one gets more right in at least half of them.
        """
        half = 0.5 - TOLERANCE
        return mcnemar(int((self.won >= half).sum()), int((self.won <= -half).sum()))


def compare(
    metric: Metric,
    labels: ArrayLike,
    finalist: ArrayLike,
    rival: ArrayLike,
    *,
    units: ArrayLike | None = None,
    level: float = LEVEL,
    inflation: float = 1.0,
    draws: int = DRAWS,
    seed: int = 0,
) -> Comparison:
    """Return the gap between the finalist and its rival, with its interval.

    The order of the items changes nothing: they are put into an order of their own before
    they are drawn. The same seed gives the same numbers.

    Args:
        metric: The score to compare.
        labels: (n,) classes in [0, K).
        finalist: (n, K) class probabilities, or (R, n, K) of R rounds.
        rival: The same of what it is compared with.
        units: (n,) what belongs together; None takes every item by itself.
        level: Error on each side of the interval.
        inflation: What the variance is multiplied by.
        draws: Number B of resamples.
        seed: Seeds the resamples.

    Raises:
        ValueError: If the shapes do not fit.
    """
    truth = np.asarray(labels, dtype=np.int64)
    first, second = _paired(finalist, rival)
    belongs = np.arange(len(truth)) if units is None else np.asarray(units)
    order = _own_order(truth, np.stack([first.mean(axis=0), second.mean(axis=0)]))
    truth, first, second = truth[order], first[:, order], second[:, order]
    _, places, of_sorted = np.unique(belongs[order], return_index=True, return_inverse=True)
    unit_of = places.argsort().argsort()[of_sorted]  # by their first occurrence: 0, 1, ...
    pair = _Pair.of(metric, truth, first, second, unit_of)
    own, theirs = _sampled_scores(metric, truth, (first, second), unit_of, draws=draws, seed=seed)
    sampled, n = own - theirs, len(pair.parts)
    gap = pair.interval(sampled, level, inflation)
    sampled = pair.gap + inflation**0.5 * (sampled - pair.gap)
    error = float(sampled.std(ddof=1)) if draws > 1 else 0.0
    if error <= TOLERANCE and not pair.identical:  # no resample differs
        error = (gap.high - gap.low) / (2 * Z_INTERVAL)
    return Comparison(
        metric=metric,
        n=n,
        test=_own_score(metric, truth, first, own, n),
        rival=mean_score(metric, truth, second),
        gap=gap,
        narrow=pair.interval(own - theirs, 2 * level, inflation),
        standard_error=error,
        minimum_detectable=(Z_INTERVAL + Z_POWER) * error,
        mcnemar=pair.mcnemar,
        draws=sampled,
    )


def mean_score(metric: Metric, labels: NDArray[np.int64], said: NDArray[np.float64]) -> float:
    """Return the score of (n, K) predictions, or the mean score of (R, n, K)."""
    return float(np.mean([metric.score(labels, p) for p in rounds_of(said)]))


def rounds_of(said: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return predictions as (R, n, K); what has no rounds is one."""
    return said if said.ndim == 3 else said[None]


def _paired(
    finalist: ArrayLike, rival: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both as (R, n, K); what has one round has the same in every round of the other."""
    first, second = (rounds_of(np.asarray(p, dtype=np.float64)) for p in (finalist, rival))
    if first.shape[1:] != second.shape[1:] or 1 != len(first) != len(second) != 1:
        raise ValueError(
            f"the predictions of the rival have the shape {second.shape}, those of the finalist "
            f"{first.shape}; both must be (n, K) for the same items, in as many rounds"
        )
    rounds = max(len(first), len(second))
    shape = (rounds, *first.shape[1:])
    return np.broadcast_to(first, shape), np.broadcast_to(second, shape)


def _own_order(labels: NDArray[np.int64], predictions: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return an order of the items that depends on labels and predictions alone.

    The first keys do not change when predictors swap roles, so that swapping them mirrors the
    interval; the last ones order what is left.
    """
    unordered = np.sort(predictions, axis=0)
    keys = np.concatenate(
        [labels[None, :], *unordered.transpose(0, 2, 1), *predictions.transpose(0, 2, 1)]
    )  # (1 + 4 K, n)
    return np.lexsort(keys[::-1])  # the last key of lexsort is the first to order by


def _sampled_scores(
    metric: Metric,
    labels: NDArray[np.int64],
    predictions: Sequence[NDArray[np.float64]],
    units: NDArray[np.int64],
    *,
    draws: int,
    seed: int,
) -> NDArray[np.float64]:
    """Return the (predictors, B) scores on units drawn with replacement, the same for all."""
    rng = np.random.default_rng(seed)
    num_units = int(units.max()) + 1
    scores = np.empty((len(predictions), draws))
    rows = max(1, _CHUNK_ELEMENTS // len(labels))
    for start in range(0, draws, rows):
        size = min(rows, draws - start)
        drawn = rng.integers(num_units, size=(size, num_units))
        drawn += np.arange(size)[:, None] * num_units
        times = np.bincount(drawn.ravel(), minlength=size * num_units).reshape(size, num_units)
        weights = times[:, units]
        for place, rounds in enumerate(predictions):
            parts = [metric.resampled(labels, probabilities, weights) for probabilities in rounds]
            scores[place, start : start + size] = np.mean(parts, axis=0)
    return scores


def _own_score(
    metric: Metric,
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    sampled: NDArray[np.float64],
    n: int,
) -> Interval:
    """Return the finalist's score with its 95 % interval, widened as the gaps of n units are."""
    score = mean_score(metric, labels, probabilities)
    low, high = (float(limit) for limit in np.quantile(sampled, [LEVEL, 1 - LEVEL]))
    if metric.reads_decisions:
        hits = round(n * float((probabilities.argmax(axis=-1) == labels).mean()))
        right = np.arange(n) < hits
        low = max(0.0, min(low, score - unseen((~right).astype(np.float64), LEVEL)))
        high = min(1.0, max(high, score + unseen(right.astype(np.float64), LEVEL)))
    return Interval(score, low, high, n)
