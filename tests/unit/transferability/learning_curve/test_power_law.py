from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autotransfer.transferability.learning_curve.power_law import (
    MIXTURE,
    LearningCurve,
    Noise,
    basis,
    fitted,
    observed,
    through,
)
from autotransfer.transferability.learning_curve.subsampling import Subsampled


def measured(errors: list[float], sizes: list[int], items: int) -> Subsampled:
    """Accuracies on so many items, the same of which are wrong as long as they can be."""
    hits = np.ones((len(errors), items))
    for row, error in zip(hits, errors, strict=True):
        row[: round(error * items)] = 0.0
    return Subsampled(np.array(sizes), hits, 2, sizes[-1])


def test_a_curve_is_a_parabola_up_to_forty_labels_a_class_and_its_tangent_beyond() -> None:
    curve = LearningCurve(np.array([[np.log(0.2), -0.5, 0.1]]), 2)
    u = np.log(2.0)  # twenty labels a class
    expected = 1 - 0.2 * np.exp(-0.5 * u + 0.1 * u**2)
    at_forty = 0.2 * np.exp(-0.5 * np.log(4) + 0.1 * np.log(4) ** 2)
    slope = -0.5 + 0.2 * np.log(4)
    found = curve.accuracies([40, 80, 160])[0]
    assert found == pytest.approx([expected, 1 - at_forty, 1 - at_forty * 2**slope])


def test_no_curve_falls_with_more_labels_or_below_chance() -> None:
    rng = np.random.default_rng(0)
    curve = LearningCurve(rng.standard_normal((200, 3)), 5)
    found = curve.accuracies(np.geomspace(5, 5000, 50))
    assert (np.diff(found, axis=1) >= -1e-12).all()
    assert found.min() >= 1 / 5 - 1e-12


def test_the_level_of_many_items_is_found_whatever_the_prior_says() -> None:
    few = measured([0.5, 0.4, 0.3], [200, 400, 800], 4000)
    found = np.median(fitted(few).accuracies([800]))
    assert found == pytest.approx(0.7, abs=0.03)


def test_fewer_items_leave_a_wider_interval() -> None:
    widths = []
    for items in (30, 300):
        curve = fitted(measured([0.4, 0.3, 0.2], [10, 20, 40], items))
        low, high = np.quantile(curve.accuracies([100])[:, 0], [0.05, 0.95])
        widths.append(high - low)
    assert widths[0] > widths[1]


def test_a_curve_through_one_accuracy_passes_near_it() -> None:
    curve = through(0.8, 100, 2, 0.01, MIXTURE)
    assert np.median(curve.accuracies([100])) == pytest.approx(0.8, abs=0.02)


def test_where_every_item_is_right_the_accuracy_is_not_taken_to_be_one() -> None:
    curve = fitted(measured([0.0, 0.0, 0.0], [10, 20, 40], 40))
    low, high = np.quantile(curve.accuracies([40])[:, 0], [0.05, 0.95])
    assert 0.8 < low < high <= 1.0


def test_an_item_that_is_left_out_leaves_its_class_one_label_fewer() -> None:
    found = measured([0.4, 0.3], [10, 20], 20)
    counted, _, _ = observed(found)
    left_out, _, _ = observed(replace(found, left_out=True))
    assert counted == pytest.approx(basis(np.array([5.0, 10.0])))
    assert left_out == pytest.approx(basis(np.array([5.0, 9.0])))
    pairs = replace(measured([0.4, 0.3], [2, 2], 4), left_out=True)
    assert observed(pairs)[0][-1] == pytest.approx(basis(np.array([0.5]))[0])


def test_the_luck_of_the_items_is_shared_by_all_sizes() -> None:
    found = measured([0.4, 0.4], [10, 20], 50)  # the same items are wrong
    _, _, noise = observed(found, Noise(1.0, 0.0))
    assert noise[0, 1] == pytest.approx(0.4 * 0.6 / 50 / 0.4**2, rel=0.02)
    assert noise[0, 0] == pytest.approx(noise[0, 1] + 0.1**2)


def test_without_measurements_worth_the_name_the_prior_is_told() -> None:
    one = measured([0.5, 0.5], [2, 4], 2)
    deaf = fitted(one, noise=Noise(1e9, 1e9))
    assert np.median(deaf.accuracies([20])) == pytest.approx(1 - np.exp(-3.3), abs=0.02)
