from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.models.linear_algebra import principal_axes
from autotransfer.models.zero_shot import eszsl as module
from autotransfer.models.zero_shot.eszsl import Decomposition, Eszsl, class_targets

Array = NDArray[np.float64]


def _problem(n: int, d: int, seed: int = 0) -> tuple[Array, NDArray[np.int64], Array]:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(6), rng.integers(6, size=n - 6)])
    return rng.normal(size=(n, d)), labels, rng.normal(size=(6, 4))


def _direct(z: Array, y: Array, a: Array, gamma: float, lam: float) -> Array:
    """Return V by two dense solutions of the equation as it is written."""
    left = np.linalg.solve(z.T @ z + gamma * np.eye(z.shape[1]), z.T @ y @ a)
    return np.linalg.solve(a.T @ a + lam * np.eye(a.shape[1]), left.T).T


def test_targets_are_one_for_the_class_and_minus_one_for_the_others() -> None:
    np.testing.assert_array_equal(class_targets(np.array([1, 0]), 2), [[-1, 1], [1, -1]])


@pytest.mark.parametrize(("n", "d"), [(40, 15), (20, 35), (30, 30)])
def test_every_point_of_the_grid_equals_a_direct_dense_solution(n: int, d: int) -> None:
    z, labels, rows = _problem(n, d)
    gammas, lams = [0.01, 1.0, 30.0], [0.1, 5.0]
    problem = Eszsl.of(z, labels, rows)
    for gamma, lam in product(gammas, lams):
        expected = _direct(z, class_targets(labels, 6), rows, gamma, lam)
        np.testing.assert_allclose(problem.compatibility(gamma, lam), expected, atol=1e-8)


def test_more_attributes_than_classes_are_no_harm() -> None:
    z, labels, _ = _problem(40, 15)
    rows = np.random.default_rng(1).normal(size=(6, 9))
    found = Eszsl.of(z, labels, rows).compatibility(2.0, 0.5)
    np.testing.assert_allclose(
        found, _direct(z, class_targets(labels, 6), rows, 2.0, 0.5), atol=1e-8
    )


def test_left_out_evidence_equals_a_fit_without_the_pictures() -> None:
    z, labels, rows = _problem(50, 12)
    out = np.array([3, 7, 8, 20])
    kept = np.setdiff1d(np.arange(50), out)
    y = class_targets(labels, 6)
    weight = np.linalg.solve(z[kept].T @ z[kept] + 0.7 * np.eye(12), z[kept].T @ y[kept])
    found = Eszsl.of(z, labels, rows).left_out_evidence(out, 0.7)
    np.testing.assert_allclose(found, z[out] @ weight, atol=1e-8)


def test_a_decomposition_gives_the_rows_back() -> None:
    for shape in ((20, 7), (7, 20)):
        x = np.random.default_rng(0).normal(size=shape)
        found = Decomposition.of(x)
        np.testing.assert_allclose(found.coordinates @ found.basis.T, x, atol=1e-10)


def test_the_whole_grid_takes_two_decompositions(monkeypatch: pytest.MonkeyPatch) -> None:
    z, labels, rows = _problem(80, 30)
    penalties, made = np.logspace(-3, 3, 7).tolist(), []

    def counted(x: Array, **options: Any) -> tuple[Array, Array]:
        made.append(x.shape)
        return principal_axes(x, **options)

    monkeypatch.setattr(module, "principal_axes", counted)
    problem = Eszsl.of(z, labels, rows)
    found = {pair: problem.compatibility(*pair) for pair in product(penalties, penalties)}
    assert made == [(80, 30), (6, 4)]
    expected = _direct(z, class_targets(labels, 6), rows, penalties[2], penalties[5])
    np.testing.assert_allclose(found[penalties[2], penalties[5]], expected, rtol=1e-6, atol=1e-9)
