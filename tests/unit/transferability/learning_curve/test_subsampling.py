from __future__ import annotations

import numpy as np
import pytest

from autotransfer.models.heads.ridge import fit_ridge
from autotransfer.transferability.learning_curve.subsampling import (
    Grams,
    _left_out,
    _margins,
    _nested,
    gained,
    subsampled,
)


def blobs(n: int, *, apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three classes of n Gaussian rows each, `apart` from each other."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), n)
    return rng.standard_normal((3 * n, 8)) + apart * np.eye(8)[labels], labels


def grams_of(x: np.ndarray, y: np.ndarray) -> Grams:
    return Grams.of([x], y, 3)


def test_a_fit_through_the_gram_tells_what_a_ridge_on_the_rows_tells() -> None:
    x, y = blobs(30, apart=1.5)
    learnt, others = np.arange(0, 90, 2), np.arange(1, 90, 2)
    head = fit_ridge(x[learnt], y[learnt], 3, standardise=False)
    expected = (x[others] @ head.weight.T + head.bias).argmax(axis=1) == y[others]
    found = _margins(x @ x.T, y, 3, learnt, others)
    assert (found > 0).tolist() == expected.tolist()


def test_classes_that_lie_apart_are_told_by_every_fit_and_noise_by_chance() -> None:
    x, y = blobs(20, apart=20.0)
    found = subsampled(grams_of(x, y), y, 3)
    assert found is not None
    assert found.accuracy.min() > 0.99
    assert found.sizes[-1] == found.num_labels == 60
    noise, y = blobs(60, apart=0.0)
    found = subsampled(grams_of(noise, y), y, 3)
    assert found is not None
    assert found.accuracy == pytest.approx(np.full(len(found.sizes), 1 / 3), abs=0.12)


def test_leaving_one_out_is_no_worse_than_chance_where_every_class_has_few() -> None:
    hits = []
    for seed in range(20):  # without the intercept of all items none of these would be right
        x, y = blobs(2, apart=0.0, seed=seed)
        hits.append((_left_out(x @ x.T, y, 3) > 0).mean())
    assert np.mean(hits) > 0.15


def test_a_beginning_of_nested_places_has_the_classes_in_their_shares() -> None:
    labels = np.array([0] * 40 + [1] * 20)
    order = _nested(labels, np.arange(60), np.random.default_rng(0))
    for m in (6, 15, 30, 60):
        assert (labels[order[:m]] == 0).sum() == pytest.approx(m * 2 / 3, abs=1)
    assert sorted(order) == list(range(60))


def test_items_of_one_unit_never_teach_about_each_other() -> None:
    rng = np.random.default_rng(0)
    half = rng.standard_normal((15, 64))
    x = np.repeat(half, 2, axis=0)  # each row twice; labels are noise
    y = np.repeat(rng.integers(0, 3, 15), 2)
    together = subsampled(grams_of(x, y), y, 3, units=np.repeat(np.arange(15), 2))
    apart = subsampled(grams_of(x, y), y, 3)
    assert together is not None
    assert apart is not None
    assert apart.accuracy[-1] > 0.8  # a copy tells
    assert together.accuracy.max() < 0.7
    assert together.sizes[-1] < 30  # leaving a single one out would let its copy teach


def test_only_tested_items_are_tested() -> None:
    x, y = blobs(10, apart=20.0)
    y[:5] = 1  # wrong labels of items that never test
    found = subsampled(grams_of(x, y), y, 3, tested=np.arange(30) >= 10)
    assert found is not None
    assert found.hits.shape[1] == 20
    assert found.accuracy[-1] > 0.9


def test_labels_that_were_added_gain_what_they_make_right() -> None:
    x, y = blobs(20, apart=20.0)
    before = np.concatenate([np.arange(20) < 4, np.arange(20) < 4, np.zeros(20, bool)])
    gains = gained(grams_of(x, y), y, 3, before, np.ones(60, dtype=bool))
    assert gains[:40].tolist() == [0.0] * 40  # right before and now
    assert gains[40:].tolist() == [1.0] * 20  # nobody had labelled that class before
