"""The search with a scripted executor and a clock that only moves when a trial runs."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState
from typing_extensions import override

from autotransfer.plugin.strategy import TaskInfo
from autotransfer.plugin.testing import tiny_source
from autotransfer.results import Outcome, ScenarioKind, State, Stopped
from autotransfer.search.budget import SearchLimits
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.search.driver import STOPPED, Search
from autotransfer.search.probes import ProbePoint
from autotransfer.search.study import Study, open_study
from autotransfer.search.trial import TrialResult, TrialSpec
from tests.unit.search.scripted import (
    Choose,
    Clock,
    Probe,
    Scripted,
    Tune,
    arms_of,
    run_search,
    study_in,
    trials_of,
)


def test_every_source_and_stage_is_probed_before_anything_trains(
    tmp_path: Path, context: LabelledContext
) -> None:
    executor = Scripted(Clock(), 1.0)
    outcomes = run_search(
        study_in(tmp_path), context, arms_of(Probe(), Tune()), executor, trials=2
    )
    probes = [outcome for outcome in outcomes if outcome.probe]
    assert [outcome.number for outcome in probes] == [-1 - i for i in range(len(probes))]
    stages = context.readers[tiny_source("one")].num_stages
    seen = {(o.source, round(float(o.params["depth"]) * stages)) for o in probes}
    assert seen == {(name, stage) for name in ("one", "two") for stage in range(1, stages + 1)}
    assert {o.params["head"] for o in probes} == {"ridge", "other"}
    assert [o.strategy for o in trials_of(outcomes)] == ["tune", "tune"]
    assert {spec.strategy.name for spec in executor.specs} == {"tune"}
    assert executor.closed


def test_the_probes_put_the_sources_in_order_and_a_resume_keeps_it(
    tmp_path: Path, context: LabelledContext
) -> None:
    study = study_in(tmp_path)
    first = run_search(study, context, arms_of(Probe(), Tune()), Scripted(Clock(), 1.0), trials=1)
    best = max((o for o in first if o.probe), key=lambda o: (o.value or 0, o.source == "one"))
    assert study.recall("order")[0] == best.source
    assert trials_of(first)[0].source == best.source
    study.remember("order", ["two", "one"])
    again = run_search(
        study_in(tmp_path, resume=True),
        context,
        arms_of(Probe(), Tune()),
        Scripted(Clock(), 1.0),
        trials=2,
    )
    assert [o.number for o in again if o.probe] == [o.number for o in first if o.probe]
    assert trials_of(again)[1].source == "two"


def test_with_nothing_that_trains_the_sampler_goes_on_with_the_probes(
    tmp_path: Path, context: LabelledContext
) -> None:
    executor = Scripted(Clock(), 1.0)
    outcomes = run_search(study_in(tmp_path), context, arms_of(Probe()), executor, trials=3)
    assert [o.strategy for o in trials_of(outcomes)] == ["probe"] * 3
    points = [(o.source, *o.params.items()) for o in outcomes]
    assert len(set(points)) == len(points)


def test_a_space_of_six_points_ends_after_six_trials(
    tmp_path: Path, context: LabelledContext
) -> None:
    outcomes = run_search(
        study_in(tmp_path), context, arms_of(Choose()), Scripted(Clock(), 1.0), trials=50
    )
    assert len(outcomes) == 6
    assert {(o.source, o.params["kind"]) for o in outcomes} == {
        (source, kind) for source in ("one", "two") for kind in "abc"
    }


def test_nothing_is_started_that_cannot_end_in_time(
    tmp_path: Path, context: LabelledContext
) -> None:
    # a trial takes 10 s, is predicted to take 12: started at 0, 10, 20 and 30, not at 40
    executor, study = Scripted(Clock(), 10.0), study_in(tmp_path)
    outcomes = run_search(study, context, arms_of(Tune()), executor, deadline=50.0)
    assert len(outcomes) == 4
    assert executor.clock.now == 40.0
    assert any("was not started: too little time" in text for text in study.forced)
    assert [outcome.elapsed for outcome in outcomes] == [10.0, 20.0, 30.0, 40.0]


def test_a_probe_that_has_to_read_too_much_first_gives_way_to_what_is_at_hand(
    tmp_path: Path, context: LabelledContext
) -> None:
    # twelve items at 5 s each are 60 s of passes, and 50 s are left
    one, two = tiny_source("one"), tiny_source("two", seed=1)
    context.readers[two](context.images)
    context.readers[one].seconds, context.readers[one].passed = 5.0, 1
    executor, study = Scripted(Clock(), 1.0), study_in(tmp_path)
    arms = replace(arms_of(Probe()), sources=(one, two))
    outcomes = run_search(study, context, arms, executor, deadline=50.0, trials=1)
    assert {o.source for o in outcomes if o.probe} == {"two"}
    assert "some probes were left out: no time was left for them" in study.forced


def test_the_reserve_for_what_comes_after_is_kept(
    tmp_path: Path, context: LabelledContext
) -> None:
    executor = Scripted(Clock(), 10.0)
    outcomes = run_search(
        study_in(tmp_path),
        context,
        arms_of(Tune()),
        executor,
        deadline=50.0,
        reserve=lambda known: 15.0 if known else 0.0,
    )
    assert len(outcomes) == 3  # at 30 s, 5 s are left
    assert [spec.deadline for spec in executor.specs] == [50.0, 35.0, 35.0]


def test_trials_and_what_is_in_flight_count_towards_the_limit(
    tmp_path: Path, context: LabelledContext
) -> None:
    executor = Scripted(Clock(), 1.0, slots=4)
    outcomes = run_search(study_in(tmp_path), context, arms_of(Tune()), executor, trials=6)
    assert len(outcomes) == len(executor.specs) == 6


def test_a_search_that_has_found_enough_says_so_keeps_it_and_goes_on_only_when_asked_again(
    tmp_path: Path, context: LabelledContext
) -> None:
    asked: list[tuple[int, float, float]] = []

    def enough(outcomes: Sequence[Outcome], seconds: float, left: float) -> Stopped | None:
        asked.append((len(trials_of(outcomes)), seconds, left))
        return Stopped("enough", 0.001) if len(trials_of(outcomes)) == 3 else None

    executor, said = Scripted(Clock(), 2.0), list[str]()
    study, arms = study_in(tmp_path), arms_of(Tune())
    outcomes = run_search(study, context, arms, executor, said, enough=enough, deadline=100.0)
    assert len(outcomes) == 3
    # before the probes, and before each trial
    assert asked == [(0, 0.0, 100.0), *((n, 2.0 * n, 100.0 - 2 * n) for n in range(4))]
    assert said[-1] == "enough"
    assert study.recall(STOPPED) == {"reason": "enough", "expected_gain": 0.001}
    again = study_in(tmp_path, resume=True)
    run_search(again, context, arms, Scripted(Clock(), 2.0), trials=5)
    assert again.recall(STOPPED) is None


def test_what_fails_does_not_count_and_does_not_go_on_for_ever(
    tmp_path: Path, context: LabelledContext
) -> None:
    def failing(spec: TrialSpec) -> Outcome:
        return Outcome(
            spec.number,
            spec.source.name,
            "tune",
            dict(spec.params),
            State.FAILED,
            reason="ValueError: no",
        )

    executor = Scripted(Clock(), 1.0, failing)
    outcomes = run_search(study_in(tmp_path), context, arms_of(Tune()), executor, trials=5)
    assert [o.source for o in outcomes].count("one") == 3
    assert [o.source for o in outcomes].count("two") == 3


def test_an_interrupt_ends_the_search_with_what_there_is(
    tmp_path: Path, context: LabelledContext
) -> None:
    def interrupted(spec: TrialSpec) -> Outcome:
        raise KeyboardInterrupt

    executor, study = Scripted(Clock(), 1.0, interrupted), study_in(tmp_path)
    outcomes = run_search(study, context, arms_of(Probe(), Tune()), executor, trials=5)
    assert outcomes
    assert all(outcome.probe for outcome in outcomes)
    assert executor.closed
    ended, queued = study.optuna.trials[0], study.optuna.trials[-1]  # none is left running
    assert (ended.state, queued.state) == (TrialState.FAIL, TrialState.WAITING)
    assert queued.system_attrs["fixed_params"] == ended.params
    assert TrialState.RUNNING not in {trial.state for trial in study.optuna.trials}
    with pytest.raises(KeyboardInterrupt):
        run_search(
            open_study(
                "none", storage=None, workspace=tmp_path, sampler="tpe", seed=0, resume=False
            ),
            context,
            arms_of(Tune()),
            Scripted(Clock(), 1.0, interrupted),
        )


def test_each_outcome_is_in_the_study_before_it_is_shown(
    tmp_path: Path, context: LabelledContext
) -> None:
    study = study_in(tmp_path)
    seen: list[bool] = []

    class Listed(list[Outcome]):
        @override
        def append(self, outcome: Outcome) -> None:
            seen.append(outcome in study.outcomes)

    run_search(
        study, context, arms_of(Probe(), Tune()), Scripted(Clock(), 1.0), None, Listed(), trials=2
    )
    assert seen
    assert all(seen)


def test_the_same_seed_gives_the_same_trials(tmp_path: Path, context: LabelledContext) -> None:
    found = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        outcomes = run_search(
            study_in(folder), context, arms_of(Probe(), Tune()), Scripted(Clock(), 1.0), trials=8
        )
        found.append([(o.number, o.source, dict(o.params), o.value) for o in outcomes])
    assert found[0] == found[1]


def test_what_a_pruned_trial_took_counts_for_its_share_of_all_folds(
    tmp_path: Path, context: LabelledContext
) -> None:
    # 10 s for a third of the first of three folds: a whole trial takes 90 s and 90 are left
    def stopped(spec: TrialSpec) -> Outcome:
        blank = Outcome(spec.number, spec.source.name, "tune", dict(spec.params), State.PRUNED)
        return replace(blank, seconds=10.0, rungs=((0, 0.5), (1, 0.5)))

    three = replace(context, folds=context.folds * 3)
    executor = Scripted(Clock(), 10.0, stopped)
    outcomes = run_search(study_in(tmp_path), three, arms_of(Tune()), executor, deadline=100.0)
    assert len(outcomes) == 1


def test_a_trial_is_held_against_its_own_strategy_alone_and_a_resume_knows_it_still(
    tmp_path: Path, context: LabelledContext
) -> None:
    class Lossy(Scripted):
        @override
        def wait(self) -> list[TrialResult]:
            return [
                replace(result, losses={0: np.full(6, LOSS[result.outcome.strategy])})
                for result in super().wait()
            ]

    LOSS = {"tune": np.float32(1.0), "choose": np.float32(2.0)}
    arms = arms_of(Tune(), Choose())
    for resume, trials in ((False, 16), (True, 17)):
        executor = Lossy(Clock(), 1.0)
        run_search(study_in(tmp_path, resume=resume), context, arms, executor, trials=trials)
        met = [
            (s.strategy.name, s.rivals[0][0]) for s in executor.specs if s.rivals[0] is not None
        ]
        assert met
        assert all(loss == LOSS[name] for name, loss in met)


class Compared(LabelledContext):
    """A context that compares a few trials of each strategy, all from one seed."""

    probes = False
    most_trials = 3

    @override
    def seed_of(self, seed: int, number: int) -> int:
        return 77


def test_a_context_may_do_without_probes_and_compare_few_trials_from_one_seed(
    tmp_path: Path, context: LabelledContext
) -> None:
    compared = Compared(**vars(context))
    executor = Scripted(Clock(), 1.0)
    outcomes = run_search(
        study_in(tmp_path), compared, arms_of(Probe(), Tune()), executor, trials=20
    )
    assert not any(outcome.probe for outcome in outcomes)
    tried = Counter(outcome.strategy for outcome in outcomes)
    assert tried == {"probe": 3, "tune": 3}  # six of the twenty that it may have
    assert {spec.seed for spec in executor.specs} == {77}


class Beside(Compared):
    """A context in which one strategy is there to be compared with."""

    most_trials = 20

    @override
    def is_baseline(self, strategy: Any) -> bool:
        return bool(strategy.name == "probe")


def test_a_baseline_takes_no_longer_than_what_is_compared_with_it(
    tmp_path: Path, context: LabelledContext
) -> None:
    arms = arms_of(Probe(), Tune())
    executor = Scripted(Clock(), 30.0)
    beside = Beside(**vars(context))
    outcomes = run_search(study_in(tmp_path), beside, arms, executor, trials=12)
    spent = Counter[str]()
    for outcome in outcomes:
        spent[outcome.strategy] += round(outcome.seconds)
        assert spent["probe"] <= max(spent["tune"], 30)
    assert spent["tune"] > 0
    assert spent["probe"] > 0


def test_an_interrupt_while_an_outcome_is_kept_comes_after_the_study_has_it(
    tmp_path: Path, context: LabelledContext
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    study = study_in(tmp_path)

    class Interrupting(list[Outcome]):
        @override
        def append(self, outcome: Outcome) -> None:
            if not outcome.probe:
                os.kill(os.getpid(), signal.SIGINT)
            super().append(outcome)

    told = Interrupting()
    outcomes = run_search(
        study, context, arms_of(Probe(), Tune()), Scripted(Clock(), 1.0), None, told, trials=5
    )
    assert len(trials_of(outcomes)) == 1
    assert outcomes[-1] in study.outcomes
    assert told[-1] == outcomes[-1]  # it was told to the end


def _search(
    study: Study, context: LabelledContext, clock: Clock, deadline: float | None
) -> Search:
    def tuning(spec: TrialSpec) -> Outcome:
        return Outcome(spec.number, spec.source.name, "tune", dict(spec.params), State.PRUNED)

    arms = arms_of(Tune())
    probe = Probe()
    params = probe.space(TaskInfo(arms.sources[0], ScenarioKind.LABELLED, 12, 2)).defaults()
    return Search(
        study,
        arms,
        context,
        SearchLimits(1, deadline, clock),
        Scripted(clock, 10.0, tuning),
        seed=0,
        on_result=lambda result: result.outcome,
        on_recorded=lambda _: None,
        say=lambda _: None,
        last_resort=(ProbePoint(arms.sources[0], probe, params),),
    )


def test_where_nothing_ends_in_time_the_last_resort_is_run_without_a_deadline(
    tmp_path: Path, context: LabelledContext
) -> None:
    study, clock = study_in(tmp_path), Clock()
    outcomes = _search(study, context, clock, 5.0).run()
    assert clock.now == 10.0  # past the deadline
    assert [(o.strategy, o.state) for o in outcomes][-1] == ("probe", State.COMPLETE)
    assert "probe on one is the last resort" in study.forced[-1]


def test_the_last_resort_is_for_want_of_time_alone(
    tmp_path: Path, context: LabelledContext
) -> None:
    outcomes = _search(study_in(tmp_path), context, Clock(), None).run()
    assert [o.strategy for o in outcomes] == ["tune"]
    search = _search(study_in(tmp_path, resume=True), context, Clock(), 5.0)
    search.answered = lambda _outcomes: True
    assert [o.strategy for o in search.run()] == ["tune"]
