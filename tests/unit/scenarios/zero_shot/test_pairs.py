from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.scenarios.zero_shot.pairs import (
    PERMUTATIONS,
    compare_pairs,
    rounds,
    row_likeness,
    rows_for_classes,
)

Array = NDArray[np.float64]


@pytest.mark.parametrize("num_classes", [2, 5, 8])
def test_rounds_hold_every_pair_once_and_no_class_twice_in_a_round(num_classes: int) -> None:
    found = rounds(num_classes)
    assert sorted(pair for games in found for pair in games) == list(
        combinations(range(num_classes), 2)
    )
    for games in found:
        players = [k for pair in games for k in pair]
        assert len(players) == len(set(players))


def _scores(table: Array, labels: NDArray[np.int64], seed: int, candidates: int = 2):  # type: ignore[no-untyped-def]  # noqa: ANN202
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(candidates, len(labels), len(table)))

    def scores(classes: Sequence[int]) -> Array:
        chosen = np.isin(labels, classes)
        found: Array = noise[:, chosen] + (table @ table.T)[labels[chosen]]
        return found

    return scores


@pytest.mark.parametrize("num_rows", [8, 60])  # few rows are looked up, many are compared
def test_true_and_exchanged_rows_equal_counting_pair_by_pair(num_rows: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), 4)
    table = rng.normal(size=(num_rows, 3))
    scores = _scores(table, labels, 1)
    drawn = rows_for_classes(num_rows, seed=2)
    assert drawn.shape == (PERMUTATIONS, num_rows)
    pairs = [(0, 1), (2, 4)]
    found = compare_pairs(pairs, scores, labels, drawn, row_likeness(table))

    def counted(pair: tuple[int, int], rows: tuple[int, int], candidate: int) -> float:
        shares = []
        side = scores(pair)[candidate]
        for own, other, k in ((rows[0], rows[1], pair[0]), (rows[1], rows[0], pair[1])):
            mine = side[labels[np.isin(labels, pair)] == k]
            shares.append((mine[:, own] > mine[:, other]).mean())
        return float(np.mean(shares))

    for g in (0, 1):
        np.testing.assert_allclose(found.observed[:, g], [counted(p, p, g) for p in pairs])
        for n in (0, 17):
            expected = [counted(p, (drawn[n][p[0]], drawn[n][p[1]]), g) for p in pairs]
            assert found.exchanged[n, g] == pytest.approx(np.mean(expected))


def test_exchanged_rows_are_chance_on_average() -> None:
    labels = np.repeat(np.arange(8), 5)
    table = np.random.default_rng(3).normal(size=(12, 4))
    found = compare_pairs(
        combinations(range(8), 2),
        _scores(table, labels, 4),
        labels,
        rows_for_classes(12, seed=0),
        row_likeness(table),
    )
    assert found.exchanged.mean() == pytest.approx(0.5, abs=0.01)
    assert found.mean(0) > 0.7
    low, high = found.interval(0, 8, seed=0)
    assert low < found.mean(0) < high


def test_the_nearest_seen_class_names_by_likeness_of_rows() -> None:
    table = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1], [0.1, 1.0]])  # 0 is like 2, 1 like 3
    labels = np.array([0, 1, 2, 3])

    def scores(classes: Sequence[int]) -> Array:
        found = np.zeros((1, 2, 4))
        found[0, 0, 2] = 1  # the image of class 0 looks like class 2: right
        found[0, 1, 2] = 1  # and so does that of class 1: wrong
        return found

    drawn = rows_for_classes(4, seed=0)
    found = compare_pairs([(0, 1)], scores, labels, drawn, row_likeness(table))
    assert found.nearest.tolist() == [0.5]
