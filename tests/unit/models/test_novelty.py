"""How strange an image is, in deviations of images that are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.models.novelty import HIGHEST, Novelty

Rows = NDArray[np.float64]


def cloud(n: int, seed: int, centres: Rows) -> tuple[Rows, NDArray[np.int64]]:
    labels = np.arange(n) % len(centres)
    noise = np.random.default_rng(seed).normal(size=(n, centres.shape[1]))
    return centres[labels] + noise, labels


CENTRES = 6 * np.eye(4, 24)


def _unit(rows: Rows) -> Rows:
    lengths: Rows = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / lengths


def test_new_images_of_the_classes_have_mean_zero_and_deviation_one() -> None:
    scored = [Novelty.of(*cloud(400, s, CENTRES)).z(cloud(400, s + 50, CENTRES)[0])
              for s in range(5)]  # fmt: skip
    assert np.mean(scored) == pytest.approx(0.0, abs=0.1)
    assert np.std(scored) == pytest.approx(1.0, abs=0.1)


def test_each_image_is_scored_without_itself() -> None:
    x, labels = cloud(24, 1, CENTRES)
    unit = _unit(x.astype(np.float32).astype(np.float64))
    own = Novelty.of(x, labels).own
    for i in (0, 5, 23):
        rest = np.arange(24) != i
        centres = _unit(np.stack([unit[rest & (labels == k)].mean(axis=0) for k in range(4)]))
        assert own[i, 1] == pytest.approx(1 - (centres @ unit[i]).max(), abs=1e-5)
        cosines = np.sort(unit[rest] @ unit[i])[::-1]
        assert own[i, 2] == pytest.approx(1 - cosines[1], abs=1e-5)


def test_what_is_of_no_class_is_stranger_than_what_is() -> None:
    novelty = Novelty.of(*cloud(300, 0, CENTRES))
    other = np.zeros((1, 24))
    other[0, 10] = 6
    between = (CENTRES[:1] + CENTRES[1:2]) / 2
    assert novelty.z(cloud(100, 1, other)[0]).mean() > 2
    assert novelty.z(cloud(100, 2, between)[0]).mean() > 1
    assert novelty.z(-50 * np.ones((1, 24)))[0] <= HIGHEST


def test_each_domain_is_brought_to_its_own_mean_where_they_are_apart() -> None:
    x, labels = cloud(400, 0, CENTRES)
    moved = 3 * cloud(400, 1, CENTRES)[0] + 40
    alike = Novelty.of(x, labels, like=moved, distances=False)
    assert alike.z(moved).mean() == pytest.approx(0.0, abs=0.15)
    assert alike.references is None
    assert alike.own.shape == (400, 2)
    assert Novelty.of(x, labels).z(moved).mean() > 2
