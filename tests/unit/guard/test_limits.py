"""What each limit of a gap rests on: the quantile, the level and, beneath, exact limits."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta, norm

from autotransfer.guard.bootstrap import Comparison, compare
from autotransfer.guard.exact_limits import mcnemar, unseen
from autotransfer.guard.selection_bias import competition_bound
from autotransfer.models.metrics import METRICS

ACCURACY, LOG_LOSS = METRICS["accuracy"], METRICS["log_loss"]


def _hits(right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return two-class predictions for labels 0 that are right where `right` says so."""
    sure = np.where(right, 0.9, 0.1)
    return np.stack([sure, 1 - sure], axis=1)


def _sure(right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return two-class predictions for labels 0 from the probabilities of the right class."""
    return np.stack([right, 1 - right], axis=1)


def _always_better(n: int = 2000, level: float = 0.025) -> Comparison:
    """Compare log losses that are lower everywhere, by 0.2 or 1.8 nats, as it happens.

    Where every item speaks for the finalist the exact limits are narrow: what is left is what
    resampling says.
    """
    amounts = np.random.default_rng(0).permutation(np.repeat([0.2, 1.8], n // 2))
    labels, other = np.zeros(n, dtype=np.int64), _sure(0.9 * np.exp(-amounts))
    return compare(LOG_LOSS, labels, _sure(np.full(n, 0.9)), other, level=level)


@pytest.mark.parametrize("level", [0.025, 0.1])
def test_a_resampled_limit_is_the_normal_one_of_its_level_on_either_side(level: float) -> None:
    gap = _always_better(level=level).gap
    error = 0.8 / 2000**0.5  # of a mean of numbers that lie 0.8 to either side of 1
    assert gap.value == pytest.approx(1.0)
    assert (gap.value - gap.low) / error == pytest.approx(-norm.ppf(level), abs=0.12)
    assert (gap.high - gap.value) / error == pytest.approx(-norm.ppf(level), abs=0.12)


def test_exact_limits_have_the_level_on_either_side() -> None:
    # both are wrong on the same item, with different answers
    n = 100
    labels = np.zeros(n, dtype=np.int64)
    said = np.tile([0.9, 0.1, 0.0], (n, 1))
    first, second = (
        np.concatenate([said[:1, order], said[1:]]) for order in ([1, 0, 2], [1, 2, 0])
    )
    found = compare(ACCURACY, labels, first, second)
    for interval, level in ((found.gap, 0.025), (found.narrow, 0.05)):
        limit = 1 - level ** (1 / n)
        assert (interval.low, interval.value, interval.high) == pytest.approx((-limit, 0, limit))


def test_the_interval_of_a_log_loss_misses_the_true_gap_one_time_in_twenty() -> None:
    rng = np.random.default_rng(0)
    n, replays = 100, 500
    labels = np.zeros(n, dtype=np.int64)
    low = high = 0
    for _ in range(replays):  # normal gains: 0.3 in the mean, 1 in the standard deviation
        gains = rng.normal(0.3, 1.0, size=n)
        ours, theirs = _sure(np.full(n, 0.01)), _sure(0.01 * np.exp(-gains))
        gap = compare(LOG_LOSS, labels, ours, theirs, draws=400).gap
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


def test_the_bound_against_a_rival_of_several_rounds_is_against_their_mean() -> None:
    n, rng = 500, np.random.default_rng(0)
    labels, units = np.zeros(n, dtype=np.int64), np.arange(n)
    trial = _hits(rng.random(n) < 0.8)
    rounds = np.stack([_hits(rng.random(n) < share) for share in (0.5, 0.7)])
    both, low, high = (
        competition_bound(ACCURACY, labels, {0: trial}, p, units, seed=0)
        for p in (rounds, rounds[1], rounds[0])
    )
    assert low < both < high


def test_what_is_lost_in_part_counts_as_what_varies_alike() -> None:
    n, level = 400, 0.025
    whole = np.arange(n) < 8
    exact = unseen(whole.astype(np.float64), level)
    assert exact == pytest.approx(beta.ppf(0.975, 9, n - 8) - 8 / n)
    fifths = unseen(np.where(np.arange(n) < 200, 0.2, 0.0), level)  # 200 events of a fifth
    assert fifths == pytest.approx(0.2 * (beta.ppf(0.975, 201, n - 200) - 0.5))
    assert fifths < exact
    nothing = unseen(np.zeros(n), level)
    assert nothing == pytest.approx(1 - level ** (1 / n))
    little = unseen(np.where(np.arange(n) < 1, 0.2, 0.0), level)
    assert little == pytest.approx(nothing)  # no item was lost whole; one still may be


def test_the_sign_test_counts_half_of_what_is_as_far() -> None:
    # none of five: 2 (1/32 - 1/64); one of four: 2 (5/16 - 2/16); half of them: 1
    assert [mcnemar(5, 0), mcnemar(1, 3), mcnemar(2, 2)] == pytest.approx([1 / 32, 3 / 8, 1])
