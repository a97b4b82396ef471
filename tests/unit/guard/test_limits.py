"""What each limit of a gap rests on: the quantile, the number of baselines, each baseline."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from autotransfer.guard.bootstrap import Comparison, compare
from autotransfer.guard.selection_bias import competition_bound
from autotransfer.guard.verdict import judge
from autotransfer.models.metrics import METRICS
from autotransfer.results import Decision

ACCURACY, LOG_LOSS = METRICS["accuracy"], METRICS["log_loss"]


def _hits(right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return two-class predictions for labels 0 that are right where `right` says so."""
    sure = np.where(right, 0.9, 0.1)
    return np.stack([sure, 1 - sure], axis=1)


def _sure(right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return two-class predictions for labels 0 from the probabilities of the right class."""
    return np.stack([right, 1 - right], axis=1)


def _always_better(num_baselines: int, n: int = 2000, level: float = 0.025) -> Comparison:
    """Compare log losses that are lower everywhere, by 0.2 or 1.8 nats, as it happens.

    Where every item speaks for the finalist the exact limits are narrow: what is left is what
    resampling says.
    """
    rng = np.random.default_rng(0)
    amounts = np.array([rng.permutation(np.repeat([0.2, 1.8], n // 2)) for _ in "abcdef"])
    others = {str(b): _sure(0.9 * np.exp(-amounts[b])) for b in range(num_baselines)}
    labels = np.zeros(n, dtype=np.int64)
    return compare(LOG_LOSS, labels, _sure(np.full(n, 0.9)), others, level=level)


@pytest.mark.parametrize("level", [0.025, 0.1])
def test_a_resampled_limit_is_the_normal_one_of_its_level_on_either_side(level: float) -> None:
    gap = _always_better(1, level=level).gap
    error = 0.8 / 2000**0.5  # of a mean of numbers that lie 0.8 to either side of 1
    assert gap.value == pytest.approx(1.0)
    assert (gap.value - gap.low) / error == pytest.approx(-norm.ppf(level), abs=0.12)
    assert (gap.high - gap.value) / error == pytest.approx(-norm.ppf(level), abs=0.12)


def test_resampled_upper_limits_of_several_baselines_hold_together() -> None:
    # of four independent gaps the largest deviates by c with probability 1 - Phi(c)^4
    comparison = _always_better(4)
    errors = comparison.draws.std(axis=0)
    moved = np.array([gap.high - gap.value for gap in comparison.gaps.values()]) / errors
    assert moved == pytest.approx(norm.ppf(0.975 ** (1 / 4)), abs=0.15)  # 2.49, not 1.96


def test_exact_upper_limits_of_several_baselines_share_the_level() -> None:
    # the finalist and each of four baselines are wrong on one item, with different answers
    n = 100
    labels = np.zeros(n, dtype=np.int64)
    said = np.tile([0.9, 0.1, 0.0, 0.0, 0.0, 0.0], (n, 1))
    answers = [np.concatenate([said[:1, np.roll(np.arange(6), k)], said[1:]]) for k in range(1, 6)]
    comparison = compare(ACCURACY, labels, answers[0], dict(zip("abcd", answers[1:], strict=True)))
    alone, shared = (1 - level ** (1 / n) for level in (0.025, 0.025 / 4))
    for gap in comparison.gaps.values():
        assert (gap.low, gap.value, gap.high) == pytest.approx((-alone, 0.0, shared))


def test_the_lower_limit_is_that_of_the_baseline_which_is_hardest_to_tell_apart() -> None:
    # twelve wins and no loss against the best; forty wins and twenty-six losses against another
    n = 200
    labels, place = np.zeros(n, dtype=np.int64), np.arange(n)
    finalist = place < 170
    close = finalist & ~((place >= 40) & (place < 52))
    scattered = np.where(place < 40, False, finalist)  # noqa: FBT003 - a value, not a flag
    scattered[170:196] = True
    others = {"close": _hits(close), "scattered": _hits(scattered)}
    comparison = compare(ACCURACY, labels, _hits(finalist), others)
    assert comparison.best_baseline == "close"
    assert comparison.gap.value == pytest.approx(12 / 200)
    assert comparison.gaps["scattered"].value == pytest.approx(14 / 200)
    assert comparison.gaps["close"].low > 0 > comparison.gaps["scattered"].low
    assert comparison.gap.low == comparison.gaps["scattered"].low
    assert judge(comparison, margin=0.01) is Decision.INCONCLUSIVE


def test_the_interval_of_a_log_loss_misses_the_true_gap_one_time_in_twenty() -> None:
    rng = np.random.default_rng(0)
    n, replays = 100, 500
    labels = np.zeros(n, dtype=np.int64)
    low = high = 0
    for _ in range(replays):  # normal gains: 0.3 in the mean, 1 in the standard deviation
        gains = rng.normal(0.3, 1.0, size=n)
        ours, theirs = _sure(np.full(n, 0.01)), _sure(0.01 * np.exp(-gains))
        gap = compare(LOG_LOSS, labels, ours, {"b": theirs}, draws=400).gap
        low, high = low + (gap.low > 0.3), high + (gap.high < 0.3)
    assert low + high == pytest.approx(0.05 * replays, abs=0.02 * replays)


def test_the_bound_of_one_trial_is_the_normal_limit_of_its_level_and_units() -> None:
    n = 2000
    amounts = np.tile([0.2, 1.8], n // 2)
    labels, units = np.zeros(n, dtype=np.int64), np.arange(n)
    trial, baseline = _sure(np.full(n, 0.9)), _sure(0.9 * np.exp(-amounts))
    error = 0.8 / n**0.5
    bound = competition_bound(LOG_LOSS, labels, {0: trial}, baseline, units, seed=0)
    assert (1.0 - bound) / error == pytest.approx(1.96, abs=0.2)
    careful = competition_bound(LOG_LOSS, labels, {0: trial}, baseline, units, seed=0, level=1e-3)
    assert (1.0 - careful) / error == pytest.approx(3.09, abs=0.5)
    halves = competition_bound(LOG_LOSS, labels, {0: trial}, baseline, units // 2, seed=0)
    assert halves > bound  # a unit of both amounts always adds the same: nothing varies


def test_the_bound_of_several_trials_is_lower_than_that_of_each() -> None:
    # of five independent gaps the largest deviates by c with probability 1 - Phi(c)^5
    n, rng = 2000, np.random.default_rng(0)
    labels, units = np.zeros(n, dtype=np.int64), np.arange(n)
    baseline = _sure(np.full(n, 0.01))
    amounts = [rng.permutation(np.repeat([0.2, 1.8], n // 2)) for _ in range(5)]
    trials = {i: _sure(0.01 * np.exp(amount)) for i, amount in enumerate(amounts)}
    bound = competition_bound(LOG_LOSS, labels, trials, baseline, units, seed=0)
    moved = (1.0 - bound) / (0.8 / n**0.5)
    assert moved == pytest.approx(norm.ppf(0.975 ** (1 / 5)), abs=0.3)  # 2.57, not 1.96
