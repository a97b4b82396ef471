from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from autotransfer.search.pruning import (
    calibrated_losses,
    clearly_worse,
    restored,
    rivals,
    step_of,
    stored,
)


def _losses(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_a_step_is_a_rung_within_a_fold() -> None:
    assert [step_of(fold, rung) for fold in (0, 1) for rung in (0, 1, 2)] == [0, 1, 2, 3, 4, 5]


def test_the_temperature_is_the_one_that_a_general_optimiser_finds() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=60)
    logits = rng.normal(size=(60, 4)) * 5 + 2 * np.eye(4)[labels]

    def losses(temperature: float) -> np.ndarray:
        z = logits / temperature
        return np.asarray(np.log(np.exp(z).sum(axis=1)) - z[np.arange(60), labels])

    best = minimize_scalar(lambda t: losses(t).mean(), bounds=(0.1, 20), method="bounded").x
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(calibrated_losses(labels, shares), losses(best), atol=2e-3)


def test_being_too_sure_of_oneself_makes_no_difference() -> None:
    labels = np.array([0, 1, 1, 0])
    modest = np.array([[0.7, 0.3], [0.4, 0.6], [0.6, 0.4], [0.8, 0.2]])
    sure = modest**4 / (modest**4).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        calibrated_losses(labels, modest), calibrated_losses(labels, sure), atol=1e-4
    )


def test_nobody_has_to_be_kept_up_with_before_three_are_known() -> None:
    known = [{0: _losses(0.1, 0.2)}, {0: _losses(0.3, 0.4)}]
    assert rivals(known, 3) == (None, None, None)


def test_the_rival_is_the_worst_of_the_best_half() -> None:
    known = [{0: _losses(v, v)} for v in (0.5, 0.1, 0.9, 0.3, 0.7, 0.2)]
    (rival,) = rivals(known, 1)
    assert rival is not None
    assert rival.tolist() == pytest.approx([0.3, 0.3])


def test_later_folds_stop_nobody() -> None:
    known = [{step: _losses(v, v) for step in range(9)} for v in (0.5, 0.1, 0.9)]
    found = rivals(known, 9)
    assert [rival is None for rival in found] == [False] * 3 + [True] * 6


def test_a_difference_counts_from_two_standard_errors_in_pairs() -> None:
    rival = _losses(1.0, 2.0, 3.0, 4.0)
    # the differences are .5 in every pair: no error at all, though the losses scatter widely
    assert clearly_worse(rival + np.float32(0.5), rival)
    assert not clearly_worse(rival - np.float32(0.5), rival)
    differences = np.array([1.0, 0.0, 1.0, 0.0])  # mean 0.5, standard error 0.29
    assert not clearly_worse((rival + differences).astype(np.float32), rival)
    differences = np.array([1.0, 0.25, 1.0, 0.5])  # mean 0.69, standard error 0.19
    assert clearly_worse((rival + differences).astype(np.float32), rival)


def test_how_many_standard_errors_count_can_be_chosen() -> None:
    rival = _losses(1.0, 2.0, 3.0, 4.0)
    differences = np.array([1.0, 0.0, 1.0, 0.0])
    error = differences.std(ddof=1) / math.sqrt(4)
    assert error < differences.mean() < 2 * error
    later = (rival + differences).astype(np.float32)
    assert clearly_worse(later, rival, errors=1.0)
    assert not clearly_worse(later, rival, errors=2.0)


def test_losses_of_other_pictures_are_not_compared() -> None:
    assert not clearly_worse(_losses(9.0, 9.0, 9.0), _losses(1.0, 1.0))


def test_losses_come_back_from_json_to_a_ten_thousandth() -> None:
    losses = {0: _losses(0.123456, 2.0), 4: _losses(1.0, 0.0)}
    found = restored(stored(losses))
    assert found.keys() == losses.keys()
    for step, values in losses.items():
        np.testing.assert_allclose(found[step], values, atol=5e-5)
