"""Finalist against baselines on the same items: one simultaneous paired bootstrap.

Notation: n items, M baselines, g_b = score(finalist) - score(b), g_b* the same on resampled
items, s_b the standard deviation of g_b*. The gap is g = min_b g_b: what the finalist gains
over the *best* baseline.

- Lower limit: min_b of the 2.5 % quantile of g_b*. To beat the best baseline is to beat each
  of them, an intersection of claims that needs no correction (Berger 1982, Technometrics 24).
- Upper limit: min_b of g_b + c s_b, where c is the 97.5 % quantile of max_b (g_b* - g_b) / s_b.
  To lose to any baseline is a union of claims and needs limits that hold together (max-T,
  Westfall and Young 1993); with one baseline it is the 97.5 % quantile of g_b*.

With few items on which two predictors differ, resampling sees too little: four wins and no
loss would count as proof. So each limit is moved outwards, where needed, to those of
`exact_limits`.

What is drawn are *units*: near-duplicates, or the user's groups; an item is its own unit
otherwise. Out of fold each fold chooses its finalist by the others, and a trial that was lucky in
all of them is chosen by all: resampling the items does not see that variance, and all limits
are moved outwards by the root of `inflation` (the figures are in `docs/negative-transfer.md`).

Predictors with identical answers have the gap 0 and the interval [0, 0].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from autotransfer.guard.exact_limits import sign_limit, unseen
from autotransfer.models.metrics import Metric
from autotransfer.results import Interval

DRAWS = 4000
LEVEL = 0.025  # error on each side of a 95 % interval
Z_INTERVAL, Z_POWER = 1.96, 0.84  # normal quantiles of 97.5 % and 80 %
TOLERANCE = 1e-12  # scores that differ by less are equal; rounding must not decide a verdict
_CHUNK_ELEMENTS = 1 << 21  # drawn items held in memory at once


@dataclass(frozen=True)
class Comparison:
    """What resampling says of a finalist and its baselines; every score is higher-is-better.

    Args:
        n: Number of units: of items, unless some belong together.
        test: Score of the finalist.
        best_baseline: The baseline with the highest score.
        gap: Finalist minus best baseline, with the interval of the verdict.
        gaps: Finalist minus each baseline: the low limits hold one by one, the high ones
            together.
        standard_error: Standard error of the gap against the best baseline.
        minimum_detectable: Smallest true gap that is found four times out of five.
        mcnemar: Two-sided mid-p of the exact McNemar test against the best baseline.
        draws: (B, M) resampled gaps, in the order of `gaps`.
    """

    metric: Metric
    n: int
    test: Interval
    scores: Mapping[str, float]
    best_baseline: str
    gap: Interval
    gaps: Mapping[str, Interval]
    standard_error: float
    minimum_detectable: float
    mcnemar: float
    draws: NDArray[np.float64] = field(repr=False, compare=False)

    def probability_above(self, threshold: float) -> float:
        """Return the share of resamples with a gap above the threshold, for the worst baseline."""
        return float((self.draws > threshold + TOLERANCE).mean(axis=0).min())


@dataclass(frozen=True)
class _Pair:
    """The finalist and one baseline: what each unit adds to the gap, and who wins it.

    Args:
        gap: Score of the finalist minus score of the baseline.
        parts: (u,) what each unit adds to the gap.
        wins: Units of which the finalist gets more right.
        losses: Units of which the baseline gets more right.
        identical: Whether all that the metric reads is the same.
        counts_decisions: Whether the metric reads decisions.
    """

    gap: float
    parts: NDArray[np.float64]
    wins: int
    losses: int
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
        """Return the pair of two (n, K) predictions."""
        parts = metric.credits(labels, finalist) - metric.credits(labels, other)
        answers, other_answers = finalist.argmax(axis=1), other.argmax(axis=1)
        same = answers == other_answers if metric.reads_decisions else np.abs(parts) <= TOLERANCE
        hits = (answers == labels).astype(np.int64) - (other_answers == labels)
        won = np.bincount(units, hits)
        added = np.bincount(units, np.where(np.abs(parts) <= TOLERANCE, 0.0, parts)).astype(float)
        return cls(
            gap=metric.score(labels, finalist) - metric.score(labels, other),
            parts=added,
            wins=int((won > 0).sum()),
            losses=int((won < 0).sum()),
            identical=bool(same.all()),
            counts_decisions=metric.reads_decisions,
        )

    def limits(
        self, sampled: tuple[float, float], num_baselines: int, level: float, inflation: float
    ) -> tuple[float, float]:
        """Return the resampled limits, moved outwards to the exact ones where needed.

        Args:
            sampled: Low and high limit by resampling.
            num_baselines: M; the high limits hold together, by Bonferroni.
            level: Error on each side.
            inflation: Of the variance.
        """
        if self.identical:
            return 0.0, 0.0
        low, high = sampled
        together = level / num_baselines
        low = min(low, self.gap, sign_limit(self.parts, level))
        high = max(high, self.gap, -sign_limit(-self.parts, together))
        if self.counts_decisions:
            n = len(self.parts)
            low = min(low, self.gap - unseen(self.losses, n, level))
            high = max(high, self.gap + unseen(self.wins, n, together))
        wider = inflation**0.5
        return self.gap + wider * (low - self.gap), self.gap + wider * (high - self.gap)

    @property
    def mcnemar(self) -> float:
        """Return the two-sided mid-p of the exact McNemar test; 1 where no hit differs.

        References:
            Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13, 2013.
        """
        decided = self.wins + self.losses
        fewer = min(self.wins, self.losses)
        tail = binom.cdf(fewer, decided, 0.5) - binom.pmf(fewer, decided, 0.5) / 2
        return float(min(1.0, 2 * tail)) if decided > 0 else 1.0


def compare(
    metric: Metric,
    labels: ArrayLike,
    finalist: ArrayLike,
    others: Mapping[str, ArrayLike],
    *,
    units: ArrayLike | None = None,
    level: float = LEVEL,
    inflation: float = 1.0,
    draws: int = DRAWS,
    seed: int = 0,
) -> Comparison:
    """Return the gap between the finalist and the best of the others, with its interval.

    The order of the items changes nothing: they are put into an order of their own before
    they are drawn. The same seed gives the same numbers.

    Args:
        metric: The score to compare.
        labels: (n,) classes in [0, K).
        finalist: (n, K) class probabilities.
        others: (n, K) class probabilities of each baseline; at least one.
        units: (n,) what belongs together; None takes every item by itself.
        level: Error on each side of the intervals.
        inflation: What the variance is multiplied by.
        draws: Number B of resamples.
        seed: Seeds the resamples.

    Raises:
        ValueError: If there is no baseline, or the shapes do not fit.
    """
    truth = np.asarray(labels, dtype=np.int64)
    predictions = _stacked(finalist, others)  # (1 + M, n, K)
    belongs = np.arange(len(truth)) if units is None else np.asarray(units)
    order = _own_order(truth, predictions)
    truth, predictions = truth[order], predictions[:, order]
    unit_of = _numbered(belongs[order])
    pairs = [_Pair.of(metric, truth, predictions[0], p, unit_of) for p in predictions[1:]]
    scores = {
        name: metric.score(truth, p) for name, p in zip(others, predictions[1:], strict=True)
    }
    sampled = _sampled_scores(metric, truth, predictions, unit_of, draws=draws, seed=seed)
    own, sampled_gaps = sampled[:, 0], sampled[:, :1] - sampled[:, 1:]  # (B,), (B, M)
    gaps = _gaps(dict(zip(others, pairs, strict=True)), sampled_gaps, level, inflation)
    values = np.array([pair.gap for pair in pairs])
    sampled_gaps = values + inflation**0.5 * (sampled_gaps - values)
    best = min(range(len(pairs)), key=lambda b: (pairs[b].gap, not pairs[b].identical))
    pair, (name, own_gap) = pairs[best], list(gaps.items())[best]
    low = min(gap.low for gap in gaps.values())
    high = min(gap.high for gap in gaps.values())
    if pair.identical:  # whichever of the two is returned, the user gets the same answers
        low = high = 0.0
    error = float(sampled_gaps[:, best].std(ddof=1)) if draws > 1 else 0.0
    if error <= TOLERANCE and not pair.identical:  # no resample differs
        error = (own_gap.high - own_gap.low) / (2 * Z_INTERVAL)
    n = len(pair.parts)
    return Comparison(
        metric=metric,
        n=n,
        test=_own_score(metric, truth, predictions[0], own, n),
        scores=scores,
        best_baseline=name,
        gap=Interval(pair.gap, low, high, n),
        gaps=gaps,
        standard_error=error,
        minimum_detectable=(Z_INTERVAL + Z_POWER) * error,
        mcnemar=pair.mcnemar,
        draws=sampled_gaps,
    )


def _numbered(units: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the units numbered by their first occurrence: 0, 1, ..."""
    _, first, number = np.unique(units, return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first))
    renumbered: NDArray[np.int64] = place[number].astype(np.int64)
    return renumbered


def _stacked(finalist: ArrayLike, others: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """Return all predictions as (1 + M, n, K), the finalist first."""
    if not others:
        raise ValueError("a comparison needs at least one baseline, got none")
    first = np.asarray(finalist, dtype=np.float64)
    rest = {name: np.asarray(other, dtype=np.float64) for name, other in others.items()}
    for name, other in rest.items():
        if other.shape != first.shape:
            raise ValueError(
                f"the predictions of baseline {name!r} have the shape {other.shape}, those of "
                f"the finalist {first.shape}; both must be (n, K) for the same items"
            )
    return np.stack([first, *rest.values()])


def _own_order(labels: NDArray[np.int64], predictions: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return an order of the items that depends on labels and predictions alone.

    The first keys do not change when predictors swap roles, so that swapping them mirrors the
    interval; the last ones order what is left.
    """
    unordered = np.sort(predictions, axis=0)
    keys = np.concatenate(
        [labels[None, :], *unordered.transpose(0, 2, 1), *predictions.transpose(0, 2, 1)]
    )  # (1 + 2 (1 + M) K, n)
    return np.lexsort(keys[::-1])  # the last key of lexsort is the first to order by


def _sampled_scores(
    metric: Metric,
    labels: NDArray[np.int64],
    predictions: NDArray[np.float64],
    units: NDArray[np.int64],
    *,
    draws: int,
    seed: int,
) -> NDArray[np.float64]:
    """Return the (B, 1 + M) scores on units drawn with replacement, the same for all."""
    rng = np.random.default_rng(seed)
    num_units = int(units.max()) + 1
    scores = np.empty((draws, len(predictions)))
    rows = max(1, _CHUNK_ELEMENTS // len(labels))
    for start in range(0, draws, rows):
        size = min(rows, draws - start)
        drawn = rng.integers(num_units, size=(size, num_units))
        drawn += np.arange(size)[:, None] * num_units
        times = np.bincount(drawn.ravel(), minlength=size * num_units).reshape(size, num_units)
        weights = times[:, units]
        for column, probabilities in enumerate(predictions):
            part = metric.resampled(labels, probabilities, weights)
            scores[start : start + size, column] = part
    return scores


def _gaps(
    pairs: Mapping[str, _Pair], sampled: NDArray[np.float64], level: float, inflation: float
) -> dict[str, Interval]:
    """Return every gap with its limits, from the (B, M) resampled gaps."""
    values = np.array([pair.gap for pair in pairs.values()])
    errors = sampled.std(axis=0)
    moves = errors > TOLERANCE
    critical = 0.0
    if moves.any():
        studentised = (sampled[:, moves] - values[moves]) / errors[moves]
        critical = float(np.quantile(studentised.max(axis=1), 1 - level))
    lows, highs = np.quantile(sampled, level, axis=0), values + critical * errors
    gaps = {}
    for (name, pair), low, high in zip(pairs.items(), lows, highs, strict=True):
        limits = pair.limits((float(low), float(high)), len(pairs), level, inflation)
        gaps[name] = Interval(pair.gap, *limits, len(pair.parts))
    return gaps


def _own_score(
    metric: Metric,
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    sampled: NDArray[np.float64],
    n: int,
) -> Interval:
    """Return the finalist's score with its 95 % interval, widened as the gaps of n units are."""
    score = metric.score(labels, probabilities)
    low, high = (float(limit) for limit in np.quantile(sampled, [LEVEL, 1 - LEVEL]))
    if metric.reads_decisions:
        hits = round(n * float((probabilities.argmax(axis=1) == labels).mean()))
        low = max(0.0, min(low, score - unseen(n - hits, n, LEVEL)))
        high = min(1.0, max(high, score + unseen(hits, n, LEVEL)))
    return Interval(score, low, high, n)
