from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from autotransfer.transferability.learning_curve.smoothing import likely_right, margins_of


def test_a_margin_is_the_score_of_the_own_class_less_the_best_other_one() -> None:
    scores = np.array([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0]])
    assert margins_of(scores, np.array([0, 2])).tolist() == [1.0, -4.0]


def test_the_smoothed_share_of_normal_margins_is_nearer_to_the_truth_than_the_count() -> None:
    rng, truth = np.random.default_rng(0), norm.cdf(1.0)
    counts, smooth = [], []
    for _ in range(400):
        margins = rng.normal(1.0, 1.0, 25)
        counts.append((margins > 0).mean() - truth)
        smooth.append(likely_right(margins).mean() - truth)
    assert np.std(smooth) < 0.85 * np.std(counts)
    assert np.mean(smooth) == pytest.approx(0.0, abs=0.01)


def test_where_all_of_a_few_are_right_the_share_is_below_one() -> None:
    margins = np.random.default_rng(0).normal(2.0, 1.0, 12)
    assert (margins > 0).all()
    assert 0.9 < likely_right(margins).mean() < 1.0


def test_many_items_are_counted() -> None:
    margins = np.concatenate([np.full(30_000, 1.0), np.full(10_000, -0.5)])
    margins += np.random.default_rng(0).normal(0, 0.05, len(margins))
    assert likely_right(margins).mean() == pytest.approx(0.75, abs=0.01)


def test_margins_that_are_all_alike_are_counted() -> None:
    assert likely_right(np.full(5, 0.3)).tolist() == [1.0] * 5
    assert likely_right(np.full(5, -0.3)).tolist() == [0.0] * 5
