"""What the obvious has beforehand, and what has to be gained before anything replaces it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.models.metrics import metric_named
from autotransfer.search import choice as module
from autotransfer.search.choice import Terms, choose

LABELS = np.array([0, 1] * 6)
FOLDS = np.repeat([0, 1, 2], 4)
TERMS = Terms(metric_named("accuracy"), obvious=[-1], temper=False)


def _giving(right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows that give so much to the right class."""
    ones = np.where(LABELS == 1, right, 1 - right)
    return np.stack([1 - ones, ones], axis=1)


def test_the_items_that_the_obvious_has_beforehand_hold_it_at_half(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The challenger gives each label twice as much: at equal weights the obvious explains a third
    # of the twelve items. With five beforehand, and one for the challenger: 4 + 5 of 18, one half
    monkeypatch.setattr(module, "INCUMBENT_PRIOR", 5.0)
    monkeypatch.setattr(module, "CHALLENGER_PRIOR", 1.0)
    said = {-1: _giving(np.full(12, 0.4)), 7: _giving(np.full(12, 0.8))}
    choice = choose(said, FOLDS, LABELS, TERMS)
    assert choice.weights == pytest.approx({-1: 0.5, 7: 0.5}, abs=1e-3)
    assert choice.gain == 1.0
    assert choice.incumbent == -1


def test_a_gain_that_only_a_few_items_show_is_within_its_error() -> None:
    # seven items gain as much as five lose, by a hair more: far from a standard error
    obvious = np.full(12, 0.6)
    other = np.where(np.arange(12) < 7, 0.7, 0.5)
    said = {-1: _giving(obvious), 7: _giving(other)}
    gains = np.log(other) - np.log(obvious)
    assert 0 < gains.mean() < gains.std(ddof=1) / 12**0.5
    assert choose(said, FOLDS, LABELS, TERMS).weights == {-1: 1.0}


def test_a_gain_counts_on_the_items_that_had_no_part_in_the_choice() -> None:
    # each candidate gives .9 to the labels of two folds and .3 to those of the third, the obvious
    # .4 to all: on all items each of them gains, but whatever two folds choose loses on the third
    said = {-1: _giving(np.full(12, 0.4))}
    said |= {fold: _giving(np.where(fold == FOLDS, 0.3, 0.9)) for fold in range(3)}
    alone = replace(TERMS, combine=False)
    assert choose(said, FOLDS, LABELS, alone).weights == {-1: 1.0}
    assert choose({-1: said[-1], 0: said[0]}, FOLDS, LABELS, alone).weights == {0: 1.0}
