"""Class shares of a target: told where the domains look alike, doubted where they do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.plugin.testing import shapes
from autotransfer.scenarios.unlabelled import class_shares as module
from autotransfer.scenarios.unlabelled.class_shares import (
    ClassShares,
    both,
    class_shares,
    read_class_shares,
    rows_by_shares,
)
from autotransfer.scenarios.unlabelled.holdout import divide_source

CENTRES = 0.6 * np.random.default_rng(0).standard_normal((5, 60))  # as features: every axis tells


def _draw(
    counts: list[int], seed: int, centres: NDArray[np.float64] = CENTRES
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    labels = np.repeat(np.arange(len(counts)), counts)
    noise = np.random.default_rng(seed).standard_normal((len(labels), centres.shape[1]))
    return centres[labels] + noise, labels


def _found(target: NDArray[np.float64]) -> ClassShares:
    learn, held_out = _draw([60] * 5, 1), _draw([30] * 5, 2)
    return class_shares(learn, held_out, target, 5, seed=0)


def test_classes_that_are_not_in_the_target_are_found_and_the_shares_are_right() -> None:
    found = _found(_draw([150, 0, 50, 0, 0], 3)[0])
    assert found.doubt == ""
    assert found.absent.tolist() == [False, True, False, True, True]
    np.testing.assert_allclose(found.value, [0.75, 0, 0.25, 0, 0], atol=0.03)
    assert (found.low <= [0.75, 0.02, 0.25, 0.02, 0.02]).all()
    assert (found.high >= [0.74, 0, 0.24, 0, 0]).all()


def test_where_all_classes_are_there_none_is_absent() -> None:
    found = _found(_draw([40, 40, 40, 40, 40], 3)[0])
    assert found.doubt == ""
    assert not found.absent.any()
    np.testing.assert_allclose(found.value, 0.2, atol=0.03)


def test_a_shift_that_makes_one_class_look_like_another_is_doubted() -> None:
    target, _ = _draw([40, 40, 40, 40, 40], 3)
    found = _found(target + 4 * CENTRES[0])  # everything looks like the first class
    assert "look too different" in found.doubt.replace("looks", "look")


def test_a_few_images_tell_no_shares() -> None:
    found = _found(_draw([20, 0, 10, 0, 0], 3)[0])
    assert "30 target items are too few" in found.doubt


def test_readings_that_differ_are_not_believed() -> None:
    even = np.full(2, 0.5)
    found = ClassShares(even, even, even, even, 0.0, 0.0, 100)
    assert found.doubt == ""
    assert "differ by 30 % of the items" in replace(found, apart=0.3).doubt
    assert "differ by 30 % of the items" in replace(found, moved=0.3).doubt


def test_where_the_beginning_matters_a_second_network_that_tells_the_same_is_believed() -> None:
    even = np.array([0.5, 0.5])
    one = ClassShares(even, even - 0.1, even + 0.1, even, 0.3, 0.02, 100)
    other = replace(one, value=np.array([0.6, 0.4]), low=even - 0.2, apart=0.9, moved=0.05)
    found = both(one, other)
    np.testing.assert_allclose(found.value, [0.55, 0.45])
    np.testing.assert_allclose(found.low, [0.3, 0.3])
    np.testing.assert_allclose(found.high, [0.6, 0.6])
    assert found.between == pytest.approx(0.1)  # as much as 0.1 of the images
    assert found.doubt == ""
    assert "differ by 30 %" in both(one, replace(other, value=np.array([0.75, 0.25]))).doubt
    assert "differ by 30 %" in both(one, replace(other, moved=0.2)).doubt


@pytest.mark.parametrize(
    ("apart", "moved", "between"),
    [(0.1, 0.05, None), (0.3, 0.05, 0.0), (0.3, 0.2, None), (0.1, 0.2, None)],
)
def test_a_second_network_is_read_only_where_the_beginning_alone_matters(
    monkeypatch: pytest.MonkeyPatch, apart: float, moved: float, between: float | None
) -> None:
    even = np.array([0.5, 0.5])
    told = ClassShares(even, even, even, even, apart, moved, 100)
    monkeypatch.setattr(module, "class_shares", lambda *_, **__: told)
    images = shapes(2, 10, seed=0)
    networks: list[Any] = [lambda images: np.zeros((len(images), 2))] * 2
    found = read_class_shares(divide_source(images), images, networks, seed=0)
    assert found.between == between


def test_source_images_are_drawn_with_the_shares_of_the_target_each_in_turn() -> None:
    labels = np.repeat([0, 1, 2], [10, 10, 20])
    rows = rows_by_shares(labels, np.array([0.5, 0.25, 0.25]), seed=0)
    assert np.bincount(labels[rows]).tolist() == [20, 10, 10]
    shown = np.bincount(rows, minlength=40)
    assert shown[:20].tolist() == [2] * 10 + [1] * 10
    assert shown[20:].max() == 1


def test_a_class_of_the_target_without_source_images_is_left_out() -> None:
    rows = rows_by_shares(np.array([0, 0, 1, 1]), np.array([0.25, 0.25, 0.5]), seed=0)
    assert np.bincount(np.array([0, 0, 1, 1])[rows]).tolist() == [2, 2]
