from __future__ import annotations

import numpy as np
import pytest

from autotransfer.scenarios.zero_shot.metrics import (
    harmonic_mean,
    per_class_top1,
    seen_unseen_curve,
)


def test_every_class_counts_the_same_however_many_pictures_it_has() -> None:
    labels = np.array([0, 0, 0, 0, 1])
    assert per_class_top1(labels, np.array([0, 0, 0, 1, 0])) == pytest.approx(0.375)


def test_no_picture_has_no_accuracy() -> None:
    with pytest.raises(ValueError, match="undefined"):
        per_class_top1(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def test_the_harmonic_mean_is_zero_where_one_side_is() -> None:
    assert harmonic_mean(0.5, 0.5) == pytest.approx(0.5)
    assert harmonic_mean(0.2, 0.6) == pytest.approx(0.3)
    assert harmonic_mean(0.0, 0.9) == 0
    assert harmonic_mean(0.0, 0.0) == 0


def test_a_curve_by_hand() -> None:
    # two seen classes (0, 1), one unseen (2)
    scores = np.array([[3.0, 0.0, 1.0], [0.0, 2.0, 1.5], [1.0, 0.0, 0.0]])
    labels = np.array([0, 1, 2])
    curve = seen_unseen_curve(scores, labels, 2)
    # margins of seen over unseen: 2 (right), 0.5 (right), 1 (unseen image)
    np.testing.assert_allclose(curve.seen, [1.0, 0.5, 0.5, 0.0])
    np.testing.assert_allclose(curve.unseen, [0.0, 0.0, 1.0, 1.0])
    assert curve.area == pytest.approx(0.5)
    assert curve.at(0.0) == (0.0, 1.0)
    assert curve.at(1.4) == (1.0, 0.5)
    assert curve.at(9.0) == (1.0, 0.0)


def test_the_curve_equals_counting_at_every_handicap() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(60, 7)), rng.integers(7, size=60)
    curve = seen_unseen_curve(scores, labels, 4)
    for stacking_offset in (-3.0, -0.31, 0.0, 0.17, 1.1, 4.0):
        guesses = (scores - stacking_offset * (np.arange(7) < 4)).argmax(axis=1)
        kinds = labels < 4
        expected = (
            per_class_top1(labels[~kinds], guesses[~kinds]),
            per_class_top1(labels[kinds], guesses[kinds]),
        )
        assert curve.at(stacking_offset) == pytest.approx(expected)


def test_a_curve_needs_both_kinds() -> None:
    with pytest.raises(ValueError, match="seen and of unseen"):
        seen_unseen_curve(np.zeros((2, 3)), np.array([0, 1]), 2)
