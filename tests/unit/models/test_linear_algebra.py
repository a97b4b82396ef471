"""Principal axes, from whichever Gram is the smaller."""

from __future__ import annotations

import numpy as np
import pytest

from autotransfer.models.linear_algebra import principal_axes


@pytest.mark.parametrize(("n", "d"), [(5, 12), (12, 5), (6, 6)])
def test_axes_and_eigenvalues_are_those_of_a_singular_value_decomposition(n: int, d: int) -> None:
    rows = np.random.default_rng(n).normal(size=(n, d))
    axes, values = principal_axes(rows, 3)
    _, singular, right = np.linalg.svd(rows)
    np.testing.assert_allclose(values, np.square(singular[:3])[::-1])
    np.testing.assert_allclose(axes @ axes.T, right[:3].T @ right[:3], atol=1e-10)


@pytest.mark.parametrize(("n", "d"), [(5, 12), (12, 5)])
def test_axes_along_which_nothing_lies_are_left_out(n: int, d: int) -> None:
    rows = np.random.default_rng(n).normal(size=(n, d))
    rows[:, 2:] = 0.0
    assert principal_axes(rows)[0].shape == (d, 2)
    rows[:, 1] *= 1e-4
    assert principal_axes(rows, tolerance=1e-6)[0].shape == (d, 1)
    assert principal_axes(np.zeros((n, d)))[0].shape == (d, 0)
