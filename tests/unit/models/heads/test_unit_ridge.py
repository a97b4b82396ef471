"""Ridge on features of unit length: what it reads, and when it reads them as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.models.heads import unit_ridge as module
from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.heads.ridge import HeldOutRidge, fit_ridge, fit_ridge_held_out
from autotransfer.models.heads.unit_ridge import fit_unit_ridge

Floats = NDArray[np.float64]


def _classes(
    d: int = 20, per_class: int = 8, *, seed: int = 0
) -> tuple[Floats, NDArray[np.int64]]:
    """Return features of three classes, each with a direction of its own, and labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), per_class)
    return rng.normal(size=(len(labels), d)) + 3 * np.eye(3, d)[labels] + 5, labels


def test_rows_have_length_one_and_zeros_stay_zeros() -> None:
    found = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0], [0.0, -2.0]]))
    np.testing.assert_allclose(found, np.array([[0.6, 0.8], [0, 0], [0, -1]]))


def test_the_head_is_ridge_on_centred_unit_rows() -> None:
    x, labels = _classes()
    fit, centre = fit_unit_ridge(x, labels, 3)
    assert centre is not None
    np.testing.assert_allclose(centre, x.mean(axis=0))
    rows = unit_rows(x - centre)
    expected = fit_ridge(rows, labels, 3, standardise=False)
    np.testing.assert_allclose(fit.head.probabilities(rows), expected.probabilities(rows))


def test_columns_of_other_units_are_standardised_as_leave_one_out_asks() -> None:
    x, labels = _classes(d=6, per_class=20)
    x[:, 5] *= 1e4  # noise in another unit: its direction is all that a unit row would show
    fit, centre = fit_unit_ridge(x, labels, 3)
    assert centre is None
    expected = fit_ridge_held_out(x, labels, 3)
    np.testing.assert_allclose(fit.held_out, expected.held_out)
    assert (fit.head.probabilities(x).argmax(axis=1) == labels).mean() > 0.9


def test_a_single_item_a_class_decides_nothing_and_is_learnt_all_the_same() -> None:
    x, labels = _classes(per_class=1)
    fit, centre = fit_unit_ridge(x, labels, 3)
    assert centre is not None
    said = fit.head.probabilities(unit_rows(x - centre))
    np.testing.assert_array_equal(said.argmax(axis=1), labels)


def test_the_same_fit_is_made_once_and_any_other_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted(*given: Any, **options: Any) -> HeldOutRidge:
        made.append(options)
        return fit_ridge_held_out(*given, **options)

    monkeypatch.setattr(module, "fit_ridge_held_out", counted)
    x, labels = _classes(seed=7)
    first = fit_unit_ridge(x, labels, 3)
    assert fit_unit_ridge(x.copy(), labels.copy(), 3) is first
    assert len(made) == 2  # rows of length one, and standardised ones
    fit_unit_ridge(x, labels, 4)
    fit_unit_ridge(x, labels[::-1].copy(), 3)
    fit_unit_ridge(x.astype(np.float32), labels, 3)
    x[0, 0] += 1e-6
    fit_unit_ridge(x, labels, 3)
    assert len(made) == 10


def test_large_fits_and_old_ones_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 2)
    fits = [_classes(seed=seed) for seed in range(3)]
    first, *_ = [fit_unit_ridge(x, labels, 3) for x, labels in fits]
    assert fit_unit_ridge(*fits[0], 3) is not first
    monkeypatch.setattr(module, "MOST_NUMBERS", 3 * (20 + 24) - 1)
    assert fit_unit_ridge(*fits[2], 3) is not fit_unit_ridge(*fits[2], 3)
