"""Scores, and the score of several folds."""

from __future__ import annotations

from itertools import product

import pytest

from autotransfer.models.scoring import mean_over_folds


def test_every_picture_weighs_the_same() -> None:
    assert mean_over_folds([0.5, 1.0], [2, 6]) == pytest.approx(7 / 8)


def test_as_many_right_answers_are_the_same_score_whichever_folds_they_are_in() -> None:
    sizes = (81, 81, 82)
    for first, second in product(range(60, 80), repeat=2):
        hits = (first, second, 200 - first - second)
        values = [hit / size for hit, size in zip(hits, sizes, strict=True)]
        assert mean_over_folds(values, sizes) == round(200 / 244, 12)
