from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.scenarios.unlabelled.audit import Draw, draw, estimate

K = 3


def _pair(n: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return truth, and answers of a finalist (80 % right) and a baseline (70 %)."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, K, n)
    finalist = np.where(rng.random(n) < 0.8, truth, (truth + 1) % K)
    baseline = np.where(rng.random(n) < 0.7, truth, (truth + 2) % K)
    return truth, finalist, baseline


def test_most_labels_go_where_the_two_differ_and_none_is_asked_twice() -> None:
    _, finalist, baseline = _pair(400, 0)
    drawn = draw(finalist, baseline, 50, seed=1)
    assert (len(drawn.differing), len(drawn.agreeing)) == (40, 10)
    assert len(set(drawn.positions)) == 50
    assert all(finalist[i] != baseline[i] for i in drawn.differing)
    assert drawn == draw(finalist, baseline, 50, seed=1)


def test_with_more_labels_than_differences_the_rest_is_spent_on_the_others() -> None:
    finalist, baseline = np.zeros(30, np.int64), np.zeros(30, np.int64)
    baseline[:4] = 1
    drawn = draw(finalist, baseline, 20, seed=0)
    assert (len(drawn.differing), len(drawn.agreeing)) == (4, 16)


def test_the_mean_over_all_draws_is_the_true_gap() -> None:
    truth, finalist, baseline = _pair(14, 3)
    differ = [int(i) for i in np.flatnonzero(finalist != baseline)]
    found = []
    for chosen in itertools.combinations(differ, 3):
        drawn = Draw(chosen, (), len(differ), 14)
        labels = {i: int(truth[i]) for i in chosen}
        found.append(estimate(drawn, labels, finalist, baseline).gap.value)
    expected = (finalist == truth).mean() - (baseline == truth).mean()
    assert np.mean(found) == pytest.approx(expected)


def test_all_labels_give_the_gap_and_both_accuracies_exactly() -> None:
    truth, finalist, baseline = _pair(60, 4)
    drawn = draw(finalist, baseline, 60, seed=0)
    found = estimate(drawn, {i: int(truth[i]) for i in range(60)}, finalist, baseline)
    assert found.finalist.value == pytest.approx((finalist == truth).mean())
    assert found.baseline.value == pytest.approx((baseline == truth).mean())
    assert found.gap.value == pytest.approx(found.finalist.value - found.baseline.value)


def test_intervals_hold_the_true_gap_about_95_times_out_of_100() -> None:
    expected, held, width = 0.1, 0, []
    for seed in range(400):
        truth, finalist, baseline = _pair(500, seed)
        drawn = draw(finalist, baseline, 50, seed=seed)
        labels = {i: int(truth[i]) for i in drawn.positions}
        gap = estimate(drawn, labels, finalist, baseline).gap
        held += gap.low <= expected <= gap.high
        width.append(gap.high - gap.low)
    assert 0.925 <= held / 400 <= 0.985
    random_width = 2 * 1.96 * np.sqrt((0.8 * 0.3 + 0.2 * 0.7 - 0.01) / 50)
    assert np.mean(width) < 0.8 * random_width


def test_four_wins_and_no_loss_are_no_proof() -> None:
    finalist, baseline = np.zeros(100, np.int64), np.zeros(100, np.int64)
    baseline[:4] = 1
    drawn = draw(finalist, baseline, 5, seed=0)
    found = estimate(drawn, dict.fromkeys(drawn.positions, 0), finalist, baseline)
    assert (found.wins, found.losses) == (4, 0)
    assert found.gap.value == pytest.approx(0.04)
    assert found.gap.low <= 0.02


def test_predictors_that_never_differ_have_no_gap() -> None:
    same = np.zeros(20, np.int64)
    drawn = draw(same, same, 5, seed=0)
    gap = estimate(drawn, dict.fromkeys(drawn.positions, 0), same, same).gap
    assert (gap.value, gap.low, gap.high) == (0.0, 0.0, 0.0)
