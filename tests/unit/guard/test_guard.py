"""What a fit hands to the guard: candidate, stand and terms."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from autotransfer.guard import rechoice
from autotransfer.guard.bootstrap import LEVEL
from autotransfer.guard.evaluation_split import HELD_OUT_ITEMS, OUT_OF_FOLD, EvaluationSplit
from autotransfer.guard.guard import Guard
from autotransfer.guard.ledger import look
from autotransfer.guard.out_of_fold import select_out_of_fold
from autotransfer.results import Ranking
from autotransfer.search.storage import STORAGE_FILE
from tests.unit.guard.looks import (
    FOLDS,
    GROUPS,
    HELD_OUT,
    HELD_OUT_IMAGES,
    IMAGES,
    Handed,
    Looked,
    N,
    held_out_division,
    looking,
    open_division,
    right,
)


@pytest.fixture
def looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Looked]:
    """A function that returns all looks of a fit."""
    return looking(tmp_path, monkeypatch)


@pytest.fixture
def handed(looked: Callable[..., Looked]) -> Callable[..., Handed]:
    """A function that returns what the guard gets at the only look."""

    def make(*arguments: Any, **changes: Any) -> Handed:
        (only,) = looked(*arguments, **changes).looks
        return only

    return make


def test_the_variance_of_out_of_fold_gaps_counts_a_tenth_more(
    handed: Callable[..., Handed],
) -> None:
    # what was measured is in docs/negative-transfer.md
    stand = handed(open_division(), [("one", right(IMAGES, hits=True))]).split
    assert (stand.basis, stand.inflation) == (OUT_OF_FOLD, 1.1)


def test_out_of_fold_a_group_is_one_unit_wherever_its_pictures_are(
    handed: Callable[..., Handed],
) -> None:
    stand = handed(open_division(), [("one", right(IMAGES, hits=True))]).split
    groups = [GROUPS[i] for i in HELD_OUT]
    same = np.equal.outer(stand.units, stand.units)
    assert same.tolist() == [[a == b for b in groups] for a in groups]
    assert not same.all()


def test_on_sealed_pictures_units_are_theirs_and_nothing_is_inflated(
    handed: Callable[..., Handed],
) -> None:
    says = right(HELD_OUT_IMAGES, hits=True)
    stand = handed(
        held_out_division([4, 4, 5, 6, 7, 8]), [("one", right(IMAGES, hits=True))], says
    ).split
    assert stand.units.tolist() == [4, 4, 5, 6, 7, 8]
    assert (stand.basis, stand.inflation) == (HELD_OUT_ITEMS, 1.0)


def test_on_sealed_pictures_the_candidate_is_weighted_then_softened(
    handed: Callable[..., Handed],
) -> None:
    # one to three; class 1 counts three times: one to nine; the root of nine is three
    says = np.tile([0.25, 0.75], (len(HELD_OUT_IMAGES), 1))
    trials = [("one", right(IMAGES, hits=True))]
    found = handed(
        held_out_division(range(6)),
        trials,
        says,
        temperature=2.0,
        class_weights=np.array([1.0, 3.0]),
    )
    np.testing.assert_allclose(found.candidate.probabilities, says)
    assert found.candidate.trials == {}


def test_a_trial_from_a_source_that_only_the_fold_itself_had_listed_is_not_chosen_for_it(
    handed: Callable[..., Handed],
) -> None:
    # the second trial is always right, but without the first fold its source had not been tried
    trials = [("one", right(IMAGES, hits=False)), ("two", right(IMAGES, hits=True))]
    shortlists = (("one",), ("one", "two"), ("one", "two"))
    said = handed(open_division(), trials, shortlists=shortlists).candidate.probabilities
    for hits in said.argmax(axis=-1) == IMAGES.labels[HELD_OUT]:
        assert hits.tolist() == [False] * len(FOLDS[0].validation) + [True] * (N - 4)


def test_items_of_a_group_choose_for_each_other_in_no_round(
    handed: Callable[..., Handed], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def noted(*arguments: Any, **named: Any) -> Any:
        given.append(named["units"])
        return select_out_of_fold(*arguments, **named)

    monkeypatch.setattr(rechoice, "select_out_of_fold", noted)
    handed(open_division(), [("one", right(IMAGES, hits=True))])
    groups = [GROUPS[i] for i in HELD_OUT]
    same = np.equal.outer(given[0], given[0])
    assert same.tolist() == [[a == b for b in groups] for a in groups]


def test_where_items_are_held_out_the_rival_is_chosen_by_what_the_search_validated(
    handed: Callable[..., Handed],
) -> None:
    trials = [("one", right(IMAGES, hits=True))]
    held = handed(held_out_division(range(6)), trials, right(HELD_OUT_IMAGES, hits=True))
    chosen_by = held.chosen_by
    assert chosen_by is not held.split
    assert [len(tested) for _, tested in chosen_by.divisions] == [len(f.validation) for f in FOLDS]
    assert chosen_by.labels.tolist() == IMAGES.labels[HELD_OUT].tolist()
    groups = [GROUPS[i] for i in HELD_OUT]
    same = np.equal.outer(chosen_by.units, chosen_by.units)
    assert same.tolist() == [[a == b for b in groups] for a in groups]
    out_of_fold = handed(open_division(), trials)
    assert out_of_fold.chosen_by is out_of_fold.split


def test_where_items_are_held_out_validation_is_held_against_choosing_again(
    handed: Callable[..., Handed],
) -> None:
    # two trials, each right for one half of each fold: whichever is chosen by some of the items
    # does worse on the others, however good the held-out test is
    first = np.arange(N) % 6 < 3
    trials = [("one", right(IMAGES, hits=first)), ("two", right(IMAGES, hits=~first))]
    says = right(HELD_OUT_IMAGES, hits=True)
    lucky = handed(held_out_division(range(6)), trials, says, combine=False).candidate
    alone = handed(held_out_division(range(6)), trials[:1], says, combine=False).candidate
    assert alone.optimism == pytest.approx(0.0)
    assert lucky.optimism is not None
    assert lucky.optimism > 0


@pytest.mark.parametrize(("seconds", "read"), [(2 * 18 + 3, True), (2 * 18 - 3, False)])
def test_the_default_source_is_read_where_all_items_take_half_of_the_time_at_most(
    seconds: int, *, read: bool
) -> None:
    reader = SimpleNamespace(missing=len, pace=1.0)
    finalists: Any = SimpleNamespace(context=SimpleNamespace(readers={"default": reader}))
    reference: Any = "default"
    due = time.monotonic() + seconds
    division = held_out_division(range(6))
    guard = Guard(finalists, division, reference, Ranking((), ()), "shapes", due)
    split = EvaluationSplit(((IMAGES, HELD_OUT_IMAGES),), division.held_out_units, HELD_OUT_ITEMS)
    assert guard._reference(split) is (reference if read else None)


def test_the_trials_that_competed_are_the_candidates(handed: Callable[..., Handed]) -> None:
    trials = [("one", right(IMAGES, hits=True)), ("two", right(IMAGES, hits=False))]
    candidate = handed(open_division(), trials).candidate
    assert candidate.competed == 2
    for number, (_, rows) in enumerate(trials):
        np.testing.assert_allclose(candidate.trials[number], rows[HELD_OUT], atol=1e-6)


def test_every_other_set_of_answers_on_the_same_pictures_lowers_the_level(
    handed: Callable[..., Handed], tmp_path: Path
) -> None:
    trials = [("one", right(IMAGES, hits=True))]
    first = handed(open_division(), trials)
    assert (first.terms.looks, first.terms.level) == (1, LEVEL)
    digests = IMAGES.subset(HELD_OUT).digests
    look(tmp_path / STORAGE_FILE, digests, np.full(N, 5), "another fit")
    third = handed(open_division(), [("one", right(IMAGES, hits=False))])
    assert (third.terms.looks, third.terms.level) == (3, LEVEL / 9)
