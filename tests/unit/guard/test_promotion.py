"""Which of two models is the champion: right answers, counted by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotransfer.guard import promotion as module
from autotransfer.guard.comparison import Terms
from autotransfer.guard.evaluation_split import HELD_OUT_ITEMS, EvaluationSplit, out_of_fold_split
from autotransfer.guard.promotion import Challenger
from autotransfer.models.features import FeatureReaders
from autotransfer.models.metrics import metric_named
from autotransfer.plugin.testing import shapes, tiny_readers, tiny_source
from autotransfer.results import RECORD_FILE
from autotransfer.search import watchdog
from autotransfer.search.checkpoint import Checkpoint, write_json
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.search.record_file import record_to_json
from autotransfer.tracking.registration import Promotion
from tests.unit.conftest import MakeRecord
from tests.unit.guard.looks import FOLDS, HELD_OUT, IMAGES, NOBODY, right
from tests.unit.told import told

TESTED = shapes(2, 50, seed=1)
M = len(TESTED)
NAMES = TESTED.class_names
FIRST = np.arange(M)


@pytest.fixture
def contest(
    tmp_path: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Promotion]:
    """A function that compares what is right for some held-out items with a champion."""

    def compared(
        ours: Any,
        theirs: Any,
        *,
        seen: Sequence[int] = (),
        class_names: tuple[str, ...] = NAMES,
        terms: Terms | None = None,
        **changes: Any,
    ) -> Promotion:
        rows = right(TESTED, theirs)[:, [NAMES.index(n) for n in class_names if n in NAMES]]
        digests = tuple(TESTED.digests[i] for i in seen)
        predictor, source = told(TESTED, rows), changes.pop("source", None)
        champion = Checkpoint(predictor, "any", baseline=True, source=source, seen=digests)
        monkeypatch.setattr(module, "read_checkpoint", lambda *_: champion)
        write_json(tmp_path / RECORD_FILE, record_to_json(make_record(class_names=class_names)))
        context = LabelledContext(
            IMAGES, FOLDS, None, tiny_readers(tmp_path), metric_named("accuracy")
        )
        split = EvaluationSplit(((IMAGES, TESTED),), np.arange(M), HELD_OUT_ITEMS)
        said, terms = right(TESTED, ours), terms or Terms()
        return Challenger(split, said, context, terms, NOBODY, **changes).contest(tmp_path)

    return compared


def test_a_better_model_becomes_champion(contest: Callable[..., Promotion]) -> None:
    found = contest(FIRST < 95, FIRST < 70)
    assert found.moves
    assert "accuracy 0.950 against 0.700; the difference of +25.0 points" in found.reason
    assert "on 100 held-out items that neither has learnt from" in found.reason


def test_a_champion_that_cannot_be_read_in_time_stays(
    contest: Callable[..., Promotion], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FeatureReaders, "mean_pace", 1.0)  # a hundred seconds
    source, now = tiny_source(), time.monotonic()
    found = contest(FIRST < 95, FIRST < 70, source=source, deadline=now + 50)
    assert not found.moves
    assert found.reason.startswith("no time was left to compare the two")
    assert contest(FIRST < 95, FIRST < 70, source=source, deadline=now + 500).moves
    assert contest(FIRST < 95, FIRST < 70, deadline=now).moves  # there is nothing to read


def test_a_comparison_that_goes_on_is_ended(
    contest: Callable[..., Promotion], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "GRACE_SECONDS", 0.05)
    monkeypatch.setattr(Challenger, "_compared", lambda *_: time.sleep(30))
    found = contest(FIRST < 95, FIRST < 70, deadline=time.monotonic())
    assert (found.moves, found.reason[:16]) == (False, "no time was left")


def test_a_worse_model_does_not(contest: Callable[..., Promotion]) -> None:
    found = contest(FIRST < 70, FIRST < 95)
    assert not found.moves
    assert "it may be worse" in found.reason


def test_the_same_answers_are_no_worse(contest: Callable[..., Promotion]) -> None:
    assert contest(FIRST < 70, FIRST < 70).moves


def test_an_equal_score_with_other_answers_proves_nothing_on_few_items(
    contest: Callable[..., Promotion],
) -> None:
    found = contest(FIRST < 80, FIRST >= 20)
    assert "the difference of +0.0 points" in found.reason
    assert not found.moves
    assert contest(FIRST < 80, FIRST >= 20, terms=Terms(margin=0.2)).moves


def test_a_further_look_at_the_same_items_needs_more(contest: Callable[..., Promotion]) -> None:
    pair = FIRST < 96, FIRST < 90  # six wins and no loss
    assert contest(*pair, terms=Terms(margin=0.0)).moves
    found = contest(*pair, terms=Terms(margin=0.0, level=0.025 / 9, looks=3))
    assert not found.moves
    assert "interval of 99.4 %" in found.reason


def test_what_the_champion_has_learnt_from_does_not_count(
    contest: Callable[..., Promotion],
) -> None:
    # right for all 60 that the champion knows by heart, wrong for 30 of the 40 others
    found = contest(FIRST < 70, FIRST >= 0, seen=range(60))
    assert "on 40 held-out items" in found.reason
    assert "accuracy 0.250 against 1.000" in found.reason
    assert not found.moves
    nothing_left = contest(FIRST < 100, FIRST < 10, seen=range(M))
    assert not nothing_left.moves
    assert "it has learnt from all 100 images" in nothing_left.reason


def test_classes_are_matched_by_name(contest: Callable[..., Promotion]) -> None:
    found = contest(FIRST < 95, FIRST < 70, class_names=NAMES[::-1])
    assert "accuracy 0.950 against 0.700" in found.reason
    other = contest(FIRST < 95, FIRST < 70, class_names=("moss", "fern"))
    assert (other.moves, other.reason) == (False, "it tells other classes apart: moss, fern")


def test_out_of_fold_items_stay_with_their_own_answers(
    tmp_path: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    hits = np.arange(len(IMAGES)) < 7
    seen = tuple(IMAGES.digests[i] for i in (0, 1, 9))
    champion = Checkpoint(
        told(IMAGES, right(IMAGES, ~hits)), "any", baseline=True, source=None, seen=seen
    )
    monkeypatch.setattr(module, "read_checkpoint", lambda *_: champion)
    write_json(tmp_path / RECORD_FILE, record_to_json(make_record(class_names=NAMES)))
    context = LabelledContext(
        IMAGES, FOLDS, None, tiny_readers(tmp_path), metric_named("accuracy")
    )
    split = out_of_fold_split(IMAGES, FOLDS, np.arange(len(IMAGES)), 1.2)
    said = right(IMAGES, hits)[HELD_OUT]
    found = Challenger(split, said, context, Terms(), NOBODY).contest(tmp_path)
    # of the nine that are left five are right for the new one, the other four for the champion
    assert "on 9 labelled items" in found.reason
    assert "accuracy 0.556 against 0.444" in found.reason
