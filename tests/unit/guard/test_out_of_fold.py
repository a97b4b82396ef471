from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from autotransfer.guard import out_of_fold as module
from autotransfer.guard.out_of_fold import ROUNDS, dealt, select_out_of_fold
from autotransfer.guard.selection_bias import competition_bound
from autotransfer.models.calibration import calibration_error, fit_temperature, tempered
from autotransfer.models.metrics import metric_named
from autotransfer.search.choice import Terms, choose

ACCURACY = metric_named("accuracy")
LABELS = np.array([0, 1] * 6)
FOLDS = np.repeat([0, 1, 2], 4)
SINGLE = Terms(ACCURACY, combine=False)
TOGETHER = Terms(ACCURACY)


def _right(*hits: int) -> NDArray[np.float64]:
    """Return two-class predictions that are right where a hit is 1."""
    sure = np.where(np.array(hits) == 1, 0.8, 0.2)
    ours = np.stack([sure, 1 - sure], axis=1)
    return np.where((LABELS == 0)[:, None], ours, ours[:, ::-1])


def test_each_part_is_predicted_by_the_winner_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # trial 0 has all of part 0 and a quarter of the others; trial 1 none of it, all and three
    # quarters: part 0 is left to trial 1, which wins the others, and the others to trial 0
    monkeypatch.setattr(module, "dealt", lambda *_: iter([FOLDS]))
    trials = {
        0: _right(1, 1, 1, 1, 0, 0, 1, 0, 0, 0, 1, 0),
        1: _right(0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 1),
    }
    folds = np.arange(12) % 2  # they are those of the models, not of the choice
    found = select_out_of_fold(trials, folds, LABELS, SINGLE, rounds=1)
    assert [choice.weights for choice in found.chosen] == [{1: 1.0}, {0: 1.0}, {0: 1.0}]
    (hits,) = found.rounds.argmax(axis=-1) == LABELS
    assert hits.tolist() == [False] * 4 + [False, False, True, False] * 2


def test_a_trial_whose_source_needed_the_fold_is_not_chosen_for_it() -> None:
    trials = {
        0: _right(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1),
        1: _right(0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1),
        2: _right(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    }
    allowed = [{0, 1, 2}, {1, 2}, set()]  # nothing left: nothing to go by
    found = select_out_of_fold(trials, FOLDS, LABELS, SINGLE, allowed=allowed)
    right_of = {0: [True] * 4, 1: [False, True, True, True], 2: [True] * 4}
    for hits in found.rounds.argmax(axis=-1) == LABELS:
        for fold, expected in right_of.items():
            assert hits[fold == FOLDS].tolist() == expected


@given(st.integers(0, 2**16))
def test_parts_are_dealt_anew_in_each_round_and_keep_together_what_belongs_together(
    seed: int,
) -> None:
    units = np.repeat([7, 3, 9, 1, 4], [3, 1, 4, 2, 2])
    rounds = list(dealt(units, len(units), seed))
    assert len(rounds) == ROUNDS
    for parts in rounds:
        assert set(parts.tolist()) == {0, 1, 2}
        for unit in units:
            assert len(set(parts[units == unit].tolist())) == 1
    alone = list(dealt(None, 12, seed))
    assert all(np.bincount(parts).tolist() == [4, 4, 4] for parts in alone)
    assert len({tuple(parts) for parts in alone}) > 1
    assert all((a == b).all() for a, b in zip(alone, dealt(None, 12, seed), strict=True))


def test_of_as_many_right_answers_the_lower_log_loss_decides_in_folds_of_any_size() -> None:
    folds = np.repeat([0, 1, 2], [3, 4, 5])
    in_the_small_fold = _right(1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0)  # shares 1, 1/2 and 3/5
    elsewhere = _right(1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0)  # 2/3, 3/4, 3/5: a lower plain mean
    trials = {0: in_the_small_fold, 1: 0.9 * elsewhere + 0.05}  # less sure where it is wrong
    assert choose(trials, folds, LABELS, SINGLE).weights == {1: 1.0}


@pytest.mark.parametrize(("seed", "num"), [(0, 2), (1, 3), (2, 6), (3, 4)])
def test_the_label_of_an_item_does_not_change_what_is_chosen_for_it(seed: int, num: int) -> None:
    rng = np.random.default_rng(seed)
    trials = {t: rng.dirichlet([1, 1], size=len(LABELS)) for t in range(num)}
    units = np.arange(12) // 2  # nor does that of what belongs to it
    other = LABELS.copy()
    other[4:6] = 1 - other[4:6]
    found, again = (
        select_out_of_fold(trials, FOLDS, labels, TOGETHER, units=units)
        for labels in (LABELS, other)
    )
    np.testing.assert_array_equal(found.rounds[:, 4:6], again.rounds[:, 4:6])


def test_the_probabilities_are_the_mean_over_the_rounds() -> None:
    rng = np.random.default_rng(0)
    trials = {t: rng.dirichlet([1, 1], size=len(LABELS)) for t in range(3)}
    found = select_out_of_fold(trials, FOLDS, LABELS, TOGETHER)
    assert found.rounds.shape == (ROUNDS, 12, 2)
    np.testing.assert_allclose(found.probabilities, found.rounds.mean(axis=0))


def test_where_the_search_validated_once_the_choice_is_made_again_as_well() -> None:
    # two trials that guess: whichever is better on some items is not on the others
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=600)
    trials = {t: rng.dirichlet([1, 1], size=600) for t in range(20)}
    found = select_out_of_fold(trials, np.zeros(600, dtype=np.int64), labels, SINGLE)
    best = max(ACCURACY.score(labels, p) for p in trials.values())
    assert best > 0.53
    assert np.mean(found.rounds.argmax(axis=-1) == labels) == pytest.approx(0.5, abs=0.04)


def test_luck_is_not_counted_as_skill() -> None:
    # forty trials that guess: the luckiest looks good in validation, the procedure does not
    rng = np.random.default_rng(0)
    labels, folds = rng.integers(2, size=300), np.arange(300) % 3
    trials = {t: rng.dirichlet([1, 1], size=300) for t in range(40)}
    best = max(ACCURACY.score(labels, p) for p in trials.values())
    found = select_out_of_fold(trials, folds, labels, TOGETHER)
    assert best > 0.55
    assert ACCURACY.score(labels, found.probabilities) == pytest.approx(0.5, abs=0.06)


def test_of_equal_scores_the_lower_log_loss_wins() -> None:
    sure, unsure = _right(*[1] * 12), _right(*[1] * 12) * 0.5 + 0.25
    assert choose({0: unsure, 1: sure}, FOLDS, LABELS, SINGLE).weights == {1: 1.0}


def test_temperature_two_halves_the_log_odds() -> None:
    softer = tempered(np.array([[0.9, 0.1]]), 2.0)
    assert softer[0, 0] / softer[0, 1] == pytest.approx(3.0)


def test_the_temperature_of_overconfident_predictions_is_found() -> None:
    rng = np.random.default_rng(0)
    true = rng.dirichlet([1, 1, 1], size=4000)
    labels = np.array([rng.choice(3, p=p) for p in true])
    sharp = tempered(true, 1 / 3)
    assert fit_temperature(sharp, labels) == pytest.approx(3.0, rel=0.1)
    assert fit_temperature(true, labels) == pytest.approx(1.0, rel=0.1)


def test_the_calibration_error_of_ten_answers_of_ninety_per_cent_with_half_right() -> None:
    said = np.tile([[0.9, 0.1]], (10, 1))
    labels = np.array([0] * 5 + [1] * 5)
    # each of ten bins holds one answer: five are off by 0.1, five by 0.9
    assert calibration_error(said, labels) == pytest.approx(0.5)


def test_of_many_guessing_trials_none_beats_the_baseline_for_sure() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(2, size=200)
    baseline = rng.dirichlet([1, 1], size=200)
    trials = {t: rng.dirichlet([1, 1], size=200) for t in range(30)}
    units = np.arange(200)
    naive = max(
        competition_bound(ACCURACY, labels, {0: p}, baseline, units, seed=0)
        for p in trials.values()
    )
    together = competition_bound(ACCURACY, labels, trials, baseline, units, seed=0)
    assert together < 0
    assert together < naive
