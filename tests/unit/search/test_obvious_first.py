"""The obvious in a search: before everything, once, and whatever time is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from typing_extensions import override

from autotransfer.models.predictors.base import Predictor
from autotransfer.plugin.space import SearchSpace
from autotransfer.plugin.strategy import Task, TaskInfo, Trial
from autotransfer.plugin.testing import tiny_source
from autotransfer.results import State
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.search.probes import ProbePoint
from tests.unit.search.scripted import (
    Clock,
    Probe,
    Scripted,
    Tune,
    arms_of,
    run_search,
    study_in,
    trials_of,
)


class Plain(Probe):
    """Obvious, on the last stage."""

    name = "plain"
    obvious = True

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of()

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        return super().fit(task, replace(trial, params={"depth": 1.0}))


class Plainer(Plain):
    name = "plainer"


OBVIOUS = tuple(ProbePoint(tiny_source("one"), strategy, {}) for strategy in (Plain(), Plainer()))


def test_the_obvious_comes_before_everything_and_only_once(
    tmp_path: Path, context: LabelledContext
) -> None:
    arms = arms_of(Probe(), Tune())
    first = run_search(
        study_in(tmp_path), context, arms, Scripted(Clock(), 1.0), obvious=OBVIOUS, trials=1
    )
    assert [(o.number, o.strategy) for o in first[:2]] == [(-1, "plain"), (-2, "plainer")]
    assert next(o.number for o in first[2:] if o.probe) == -3
    again = run_search(
        study_in(tmp_path, resume=True),
        *(context, arms, Scripted(Clock(), 1.0)),
        obvious=OBVIOUS,
        trials=2,
    )
    assert again[: len(first)] == first
    assert [o.strategy for o in again[len(first) :]] == ["tune"]


def test_without_any_time_the_first_of_the_obvious_is_the_answer(
    tmp_path: Path, context: LabelledContext
) -> None:
    study = study_in(tmp_path)
    executor = Scripted(Clock(5.0), 1.0)
    outcomes = run_search(study, context, arms_of(Tune()), executor, obvious=OBVIOUS, deadline=5.0)
    assert [(o.strategy, o.state) for o in outcomes] == [("plain", State.COMPLETE)]
    assert "plainer was left out: no time was left for it" in study.forced


def test_the_obvious_counts_towards_no_budget_of_trials(
    tmp_path: Path, context: LabelledContext
) -> None:
    executor = Scripted(Clock(), 1.0)
    outcomes = run_search(
        study_in(tmp_path), context, arms_of(Tune()), executor, obvious=OBVIOUS, trials=2
    )
    assert len(trials_of(outcomes)) == 2
