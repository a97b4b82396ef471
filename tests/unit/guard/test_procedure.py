"""What is tested out of fold is the whole procedure: the ensemble and its temperature as well."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.guard import out_of_fold as module
from autotransfer.guard.out_of_fold import select_out_of_fold
from autotransfer.models.metrics import metric_named
from autotransfer.search.choice import Choice, Terms

LABELS = np.array([0, 1] * 12)
FOLDS = np.repeat([0, 1, 2], 8)
PARTS = np.repeat([0, 1, 2], 8)


@pytest.fixture(autouse=True)
def one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deal the parts once, and so that each is a fold."""
    monkeypatch.setattr(module, "dealt", lambda *_: iter([PARTS]))


def _giving(right: float, hits: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return rows that give so much to the right class, or to the wrong one where no hit is."""
    ours = np.where(hits, right, 1 - right)
    ones = np.where(LABELS == 1, ours, 1 - ours)
    return np.stack([1 - ones, ones], axis=1)


def test_an_ensemble_out_of_fold_is_softened_by_the_other_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # (2 x 0.95 + 0.8) / 3 = 0.9: nine to one. The first fold is all right, the others three of
    # four, which makes it three to one for the first
    hits = (FOLDS == 0) | (np.arange(24) % 8 < 6)
    trials = {3: _giving(0.8, hits), 7: _giving(0.95, hits)}
    choice = Choice({7: 2 / 3, 3: 1 / 3}, {7: 1.0, 3: 1.0}, gain=0.2, error=0.1, incumbent=3)
    monkeypatch.setattr(module, "choose", lambda *_: choice)
    found = select_out_of_fold(trials, FOLDS, LABELS, Terms(metric_named("accuracy")), rounds=1)
    assert found.chosen == (choice,) * 3
    first = FOLDS == 0
    np.testing.assert_allclose(found.probabilities[first], _giving(0.75, hits)[first], rtol=1e-3)
    np.testing.assert_allclose(found.raw, _giving(0.9, hits))


def test_a_trial_counts_out_of_fold_as_much_as_its_weight_after_it_was_softened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # at temperature 1/2 three to one is nine to one: three quarters of .9 and a quarter of .3
    trials = {3: _giving(0.3, FOLDS >= 0), 7: _giving(0.75, FOLDS >= 0)}
    choice = Choice({7: 0.75, 3: 0.25}, {7: 0.5, 3: 1.0})
    monkeypatch.setattr(module, "choose", lambda *_: choice)
    found = select_out_of_fold(trials, FOLDS, LABELS, Terms(metric_named("accuracy")), rounds=1)
    np.testing.assert_allclose(found.raw, _giving(0.75, FOLDS >= 0))


def test_every_part_is_chosen_for_by_the_others_alone_and_by_the_same_terms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[tuple[Any, ...]] = []

    def choose(*arguments: Any) -> Choice:
        given.append(arguments)
        return Choice({9: 1.0})

    monkeypatch.setattr(module, "choose", choose)
    numbers = np.arange(24.0)
    trials = {n: np.stack([numbers, n + 24 - numbers], axis=1) for n in (3, 7, 9)}
    terms = Terms(metric_named("accuracy"), obvious=(7,))
    allowed = [{3, 9}, {3, 7, 9}, {9}]
    select_out_of_fold(trials, FOLDS, LABELS, terms, allowed=allowed, rounds=1)
    for fold, (said, folds, labels, its_terms) in enumerate(given):
        others = np.flatnonzero(fold != FOLDS)
        assert set(said) == allowed[fold]
        assert all(rows[:, 0].tolist() == others.tolist() for rows in said.values())
        assert folds.tolist() == FOLDS[others].tolist()
        assert labels.tolist() == LABELS[others].tolist()
        assert its_terms is terms
