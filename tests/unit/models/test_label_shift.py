"""Class shares of items without labels, from answers whose right shares are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.models.label_shift import bbse_shares, em_shares

EVEN = np.array([0.5, 0.5])


def _answers(
    shares: NDArray[np.float64], n: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the exact posteriors, under equal shares, of draws from Gaussians one apart."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(len(shares), n, p=shares)
    values = labels + 0.6 * generator.standard_normal(n)
    log_odds = -((values[:, None] - np.arange(len(shares))) ** 2) / (2 * 0.36)
    odds = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True), labels


def test_certain_answers_are_counted() -> None:
    answers = np.eye(2)[[0, 0, 0, 1]]
    np.testing.assert_allclose(em_shares(answers, EVEN, prior_items=0.0), [0.75, 0.25])
    np.testing.assert_allclose(bbse_shares(answers, np.eye(2), np.array([0, 1])), [0.75, 0.25])


def test_the_prior_counts_as_a_few_items() -> None:
    answers = np.eye(2)[[0] * 5]
    np.testing.assert_allclose(em_shares(answers, EVEN), [7.5 / 10, 2.5 / 10])


def test_answers_that_say_nothing_leave_the_shares_of_the_source() -> None:
    prior = np.array([0.7, 0.2, 0.1])
    np.testing.assert_allclose(em_shares(np.tile(prior, (30, 1)), prior), prior)


def test_shares_of_two_that_are_often_mixed_up_solve_the_equation_by_hand() -> None:
    known = np.array([[0.8, 0.2], [0.3, 0.7]])  # of an item of the first class, of the second
    answers = np.tile([0.4, 0.6], (5, 1))  # 0.8 q + 0.3 (1 - q) = 0.4
    np.testing.assert_allclose(bbse_shares(answers, known, np.array([0, 1])), [0.2, 0.8])


@pytest.mark.parametrize("seed", [0, 1])
def test_both_find_the_shares_where_a_class_is_not_there(seed: int) -> None:
    right = np.array([0.6, 0.0, 0.4])
    answers, _ = _answers(right, 3000, seed)
    known, labels = _answers(np.full(3, 1 / 3), 3000, seed + 10)
    counted = np.bincount(answers.argmax(axis=1), minlength=3) / 3000
    assert np.abs(counted - right).max() > 0.15
    for found in (em_shares(answers, np.full(3, 1 / 3)), bbse_shares(answers, known, labels)):
        assert np.abs(found - right).max() < 0.05


def test_answers_of_a_source_with_unequal_classes_are_read_by_its_prior() -> None:
    prior = np.array([0.9, 0.1])
    answers = np.tile(prior, (40, 1))  # nothing is known of an item but the prior
    np.testing.assert_allclose(em_shares(answers, prior), prior)
    sure = np.array([[0.5, 0.5]] * 40)  # evidence of 9 to 1 for the second class
    found = em_shares(sure, prior, prior_items=0.0)
    assert found[1] > 0.99
