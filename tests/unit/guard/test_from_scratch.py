"""Baselines from scratch: when there is no point in training them to the end."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotransfer.guard.baseline_cache import BaselineCache
from autotransfer.guard.baseline_training import BaselineTrainer
from autotransfer.guard.baselines import Baselines
from autotransfer.guard.from_scratch import (
    CannotWinError,
    fit_scratch,
    hopeless_where,
    untrained_twin,
)
from autotransfer.models.metrics import metric_named
from autotransfer.models.predictors.baselines import PIXELS, SCRATCH, SMALL
from autotransfer.plugin.registry import discover
from autotransfer.plugin.testing import shapes, tiny_readers, tiny_source
from autotransfer.search.cross_validation import LabelledContext

IMAGES, TESTED = shapes(3, 6), shapes(3, 4, seed=1)


@pytest.fixture
def trainer(tmp_path: Path) -> BaselineTrainer:
    context = LabelledContext(IMAGES, (), None, tiny_readers(tmp_path), metric_named("accuracy"))
    return BaselineTrainer(context, tiny_source(), BaselineCache(discover(), tmp_path / "kept"), 0)


def test_from_the_second_rung_on_twice_the_gain_of_the_last_may_yet_come() -> None:
    curve, asked = iter([0.1, 0.3, 0.25]), list[float]()

    def lost(_said: Any, slack: float) -> bool:
        asked.append(slack)
        return len(asked) == 2

    hopeless = hopeless_where(lambda _p: np.zeros((1, 2)), lambda _said: next(curve), lost)
    predictor: Any = object()
    assert [hopeless(predictor) for _ in range(3)] == [False, False, True]
    assert asked == pytest.approx([2 * (0.3 - 0.1), 0.0])  # a fall is no promise


def test_a_training_that_cannot_win_ends_there_with_what_it_has_learnt(
    trainer: BaselineTrainer,
) -> None:
    task = trainer.context.task(untrained_twin(tiny_source(), 0), IMAGES)
    asked = list[object]()

    def hopeless(predictor: object) -> bool:
        asked.append(predictor)
        return len(asked) == 2

    with pytest.raises(CannotWinError) as ended:
        fit_scratch(task, seed=0, deadline=None, hopeless=hopeless)
    assert len(asked) == 2
    said = ended.value.predictor.predict(TESTED, task.features)
    assert said.shape == (len(TESTED), 3)


def test_one_that_was_stopped_is_taken_from_the_cache_as_long_as_it_has_lost(
    trainer: BaselineTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    slacks = list[float]()

    def lost(_said: Any, slack: float = 0.0) -> bool:
        slacks.append(slack)
        return True

    _, first = trainer.trained_on(SCRATCH, IMAGES, TESTED, None, lost)
    assert len(slacks) == 1
    with monkeypatch.context() as patch:
        patch.setattr(BaselineTrainer, "fit", None)  # nothing is trained
        _, again = trainer.trained_on(SCRATCH, IMAGES, TESTED, None, lost)
    np.testing.assert_array_equal(again, first)
    _, whole = trainer.trained_on(SCRATCH, IMAGES, TESTED, None, lambda *_: False)
    assert np.abs(whole - first).max() > 0.01  # it was trained to the end
    monkeypatch.setattr(BaselineTrainer, "fit", None)
    _, kept = trainer.trained_on(SCRATCH, IMAGES, TESTED, None, lost)
    np.testing.assert_array_equal(kept, whole)


def test_what_is_weighted_is_held_against_others_that_are(trainer: BaselineTrainer) -> None:
    weights = np.array([100.0, 1.0, 1.0])
    weighted = replace(trainer, context=replace(trainer.context, class_weights=weights))
    seen = list[Any]()

    def lost(said: Any, _slack: float = 0.0) -> bool:
        seen.append(said)
        return False

    weighted.trained_on(SCRATCH, IMAGES, TESTED, None, lost)
    assert (seen[0].argmax(axis=1) == 0).all()


def test_each_network_has_the_time_of_the_search_and_the_others_what_is_left(
    trainer: BaselineTrainer,
) -> None:
    now = time.monotonic()
    parts = (trainer.context, trainer.finalist, trainer.cache, 0)
    limited = Baselines(*parts, now + 100, None, 30.0)
    for name in (SMALL, SCRATCH):
        assert limited._timed(name).deadline == pytest.approx(now + 30, abs=1)
        assert replace(limited, deadline=None)._timed(name).deadline == pytest.approx(
            now + 30, abs=1
        )
        assert replace(limited, deadline=now + 10)._timed(name).deadline == now + 10
        assert replace(limited, most_seconds=None)._timed(name).deadline == now + 100
    assert limited._timed(PIXELS).deadline == now + 100
