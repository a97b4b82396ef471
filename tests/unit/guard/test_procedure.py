"""What is tested out of fold is the whole procedure: the ensemble and its temperature as well."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.ensemble import Choice
from autotransfer.evaluation.metrics import metric_named
from autotransfer.guard import out_of_fold as module
from autotransfer.guard.out_of_fold import mixed, select_out_of_fold

LABELS = np.array([0, 1] * 12)
FOLDS = np.repeat([0, 1, 2], 8)


def _giving(right: float, hits: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return rows that give so much to the right class, or to the wrong one where no hit is."""
    ours = np.where(hits, right, 1 - right)
    ones = np.where(LABELS == 1, ours, 1 - ours)
    return np.stack([1 - ones, ones], axis=1)


def test_an_ensemble_out_of_fold_is_softened_by_the_other_folds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # (2 x 0.95 + 0.8) / 3 = 0.9: nine to one. The first fold is all right, the others three of
    # four, which makes it three to one for the first
    hits = (FOLDS == 0) | (np.arange(24) % 8 < 6)
    trials = {3: _giving(0.8, hits), 7: _giving(0.95, hits)}
    choice = Choice({7: 2, 3: 1}, value=0.8, log_loss=0.5, gain=0.2, error=0.1)
    monkeypatch.setattr(module, "choose", lambda *_, **__: choice)
    found = select_out_of_fold(
        trials, FOLDS, LABELS, metric_named("accuracy"), combine=True, seed=0
    )
    assert found.chosen == ({7: 2, 3: 1},) * 3
    first = FOLDS == 0
    np.testing.assert_allclose(found.probabilities[first], _giving(0.75, hits)[first], rtol=1e-3)


def test_a_trial_counts_as_often_as_it_was_chosen() -> None:
    trials = {3: np.array([[0.2, 0.8]]), 7: np.array([[0.95, 0.05]]), 9: np.array([[0.0, 1.0]])}
    np.testing.assert_allclose(mixed(trials, {7: 2, 3: 1}), [[0.7, 0.3]])
