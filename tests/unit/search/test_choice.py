from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from autotransfer.models.metrics import metric_named
from autotransfer.search.choice import Choice, Terms, choose

ACCURACY = metric_named("accuracy")
OBVIOUS, OTHER = -1, 7


def _said(labels: NDArray[np.int64], hits: NDArray[np.bool_], sure: float) -> NDArray[np.float64]:
    """Return two-class predictions that are right where a hit is, all equally sure."""
    right = np.where(hits, sure, 1 - sure)
    return np.where((labels == 0)[:, None], np.stack([right, 1 - right], 1),
                    np.stack([1 - right, right], 1))  # fmt: skip


def _problem(n: int, *shares: float, seed: int = 0) -> tuple[list[NDArray[np.float64]],
                                                             NDArray[np.int64],
                                                             NDArray[np.int64]]:  # fmt: skip
    """Return predictions that are right with these probabilities, folds and labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    said = [_said(labels, rng.random(n) < share, min(max(share, 0.55), 0.95)) for share in shares]
    return said, np.arange(n) % 3, labels


def test_the_obvious_stays_where_nothing_is_better() -> None:
    (first, second), folds, labels = _problem(120, 0.8, 0.8)
    terms = Terms(ACCURACY, obvious=[OBVIOUS], combine=False)
    choice = choose({OBVIOUS: first, OTHER: second}, folds, labels, terms)
    assert choice.weights == {OBVIOUS: 1.0}
    assert choice.incumbent == OBVIOUS
    assert choice.gain == 0.0


def test_a_candidate_that_is_clearly_better_replaces_it() -> None:
    (poor, good), folds, labels = _problem(300, 0.6, 0.95)
    terms = Terms(ACCURACY, obvious=[OBVIOUS], combine=False)
    choice = choose({OBVIOUS: poor, OTHER: good}, folds, labels, terms)
    assert choice.weights == {OTHER: 1.0}
    hits = [float((p.argmax(axis=1) == labels).mean()) for p in (good, poor)]
    assert choice.gain == pytest.approx(hits[0] - hits[1])


def test_the_luckiest_of_forty_guesses_does_not_replace_the_obvious() -> None:
    kept = 0
    for seed in range(20):
        said, folds, labels = _problem(30, 0.7, *[0.55] * 40, seed=seed)
        best = max(float((p.argmax(axis=1) == labels).mean()) for p in said[1:])
        assert best > 0.6  # it looks better than it is
        candidates = {OBVIOUS: said[0], **dict(enumerate(said[1:]))}
        terms = Terms(ACCURACY, obvious=[OBVIOUS], combine=False)
        kept += OBVIOUS in choose(candidates, folds, labels, terms).weights
    assert kept >= 18


def test_the_first_obvious_candidate_that_is_there_is_the_one_to_beat() -> None:
    (first, second), folds, labels = _problem(60, 0.8, 0.8)
    terms = Terms(ACCURACY, obvious=[-3, -2, -1], combine=False)
    assert choose({-2: first, -1: second}, folds, labels, terms).incumbent == -2


def test_candidates_that_err_on_different_items_are_put_together() -> None:
    labels = np.arange(300) % 2
    part = np.arange(300) // 2 % 5
    said = {k: _said(labels, part != k, 0.9) for k in range(5)}
    choice = choose(said, np.arange(300) // 100, labels, Terms(ACCURACY, obvious=[0]))
    assert len(choice.weights) == 5
    assert ACCURACY.score(labels, choice.mix(said)) == 1.0
    assert choice.gain == pytest.approx(1 / 5, abs=0.01)


def test_nothing_is_put_together_where_that_is_not_wanted() -> None:
    labels = np.arange(300) % 2
    part = np.arange(300) // 2 % 3
    said = {k: _said(labels, part != k, 0.9) for k in range(3)}
    terms = Terms(ACCURACY, obvious=[0], combine=False)
    assert choose(said, np.arange(300) // 100, labels, terms).weights == {0: 1.0}


def test_the_mean_is_of_tempered_probabilities_with_the_weights_given() -> None:
    # at temperature 1/2 the odds of .8 : .2 become 16 : 1
    choice = Choice({0: 0.25, 1: 0.75}, {0: 0.5, 1: 1.0})
    said = {0: np.array([[0.8, 0.2]]), 1: np.array([[0.4, 0.6]])}
    assert choice.mix(said)[0, 0] == pytest.approx(0.25 * 16 / 17 + 0.75 * 0.4)


def test_a_lower_log_loss_that_costs_answers_does_not_replace_the_obvious() -> None:
    labels = np.arange(400) % 2
    hits = np.arange(400) % 10 < 8
    incumbent = _said(labels, hits, 0.99)
    careful = _said(labels, hits & (np.arange(400) % 40 != 0), 0.8)
    terms = Terms(ACCURACY, obvious=[OBVIOUS], combine=False, temper=False)
    choice = choose({OBVIOUS: incumbent, OTHER: careful}, np.arange(400) % 4, labels, terms)
    assert choice.weights == {OBVIOUS: 1.0}


@pytest.mark.parametrize(("by_class", "winner"), [(False, OTHER), (True, OBVIOUS)])
def test_where_folds_hold_out_classes_the_error_is_one_over_classes(
    by_class: bool,  # noqa: FBT001 - pytest gives it
    winner: int,
) -> None:
    labels = np.repeat(np.arange(6), 10)

    def surely(sure: NDArray[np.float64]) -> NDArray[np.float64]:
        said = np.tile((1 - sure[:, None]) / 5, (1, 6))
        said[np.arange(60), labels] = sure
        return said

    # gains of log(.95 / .5) = .64 on one class and of log(.48 / .5) = -.04 on five: the mean is
    # .07, its standard error .03 over sixty items and .11 over six classes
    said = {
        OBVIOUS: surely(np.full(60, 0.5)),
        OTHER: surely(np.where(labels == 0, 0.95, 0.48)),
    }
    terms = Terms(ACCURACY, obvious=[OBVIOUS], combine=False, temper=False, by_class=by_class)
    assert choose(said, np.arange(60) % 4, labels, terms).weights == {winner: 1.0}


def test_the_order_of_the_candidates_changes_nothing() -> None:
    said, folds, labels = _problem(90, 0.7, 0.8, 0.75, 0.6)
    terms = Terms(ACCURACY, obvious=[0])
    forwards = choose(dict(enumerate(said)), folds, labels, terms)
    backwards = choose(dict(reversed(list(enumerate(said)))), folds, labels, terms)
    assert forwards.weights == pytest.approx(backwards.weights)


@settings(max_examples=25)
@given(st.integers(0, 2**16), st.integers(1, 5), st.integers(6, 60), st.booleans())
def test_the_weights_sum_to_one_whatever_the_candidates_say(
    seed: int,
    candidates: int,
    n: int,
    combine: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    said = {c: rng.dirichlet([1, 1], size=n) for c in range(candidates)}
    choice = choose(said, np.zeros(n, dtype=np.int64), labels, Terms(ACCURACY, combine=combine))
    assert sum(choice.weights.values()) == pytest.approx(1.0)
    assert set(choice.weights) <= set(said)


@pytest.mark.parametrize(("by_domain", "winner"), [(False, OTHER), (True, OBVIOUS)])
def test_what_makes_the_worst_domain_worse_does_not_replace_the_obvious(
    by_domain: bool,  # noqa: FBT001 - pytest gives it
    winner: int,
) -> None:
    """In three domains .95, .95 and .4 instead of .6: the mean gains, the worst one loses."""
    labels, folds, place = np.arange(300) % 2, np.repeat(np.arange(3), 100), np.arange(300) % 100
    usual = _said(labels, place < 60, 0.6)
    other = _said(labels, place < np.array([95, 95, 40])[folds], 0.6)
    terms = Terms(ACCURACY, obvious=[OBVIOUS], combine=False, temper=False, by_domain=by_domain)
    choice = choose({OBVIOUS: usual, OTHER: other}, folds, labels, terms)
    assert choice.weights == {winner: 1.0}


def test_the_gain_over_domains_is_their_mean_whatever_their_size() -> None:
    """Gains of .1 in a domain of 20, .3 in one of 80 and .2 in one of 100: .2, not .225."""
    folds = np.repeat(np.arange(3), [20, 80, 100])
    labels = np.arange(200) % 2
    place = np.concatenate([np.arange(n) / n for n in (20, 80, 100)])
    usual, other = (_said(labels, place < s, 0.6) for s in (0.6, np.array([0.7, 0.9, 0.8])[folds]))
    terms = Terms(ACCURACY, obvious=[OBVIOUS], combine=False, temper=False, by_domain=True)
    choice = choose({OBVIOUS: usual, OTHER: other}, folds, labels, terms)
    assert choice.gain == pytest.approx(0.2)
