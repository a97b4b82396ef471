"""The search with a scripted executor and a clock that only moves when a trial runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from typing_extensions import override

from autotransfer.evaluation.metrics import metric_named
from autotransfer.heads import fit_ridge
from autotransfer.predictors import HeadPredictor
from autotransfer.problem import Fold
from autotransfer.results import Outcome, State
from autotransfer.search.arms import Arms
from autotransfer.search.budget import SearchLimits
from autotransfer.search.driver import search
from autotransfer.search.study import Study, open_study
from autotransfer.search.trial import Arena, TrialResult, TrialSpec
from autotransfer.space import SearchSpace, choice, depth, floating
from autotransfer.strategy import Predictor, Strategy, Task, TaskInfo, Trial
from autotransfer.testing import shapes, tiny_source
from autotransfer.testing.tiny import tiny_readers


class Probe(Strategy):
    name = "probe"
    trains = False

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of(depth=depth(), head=choice(("ridge", "other"), default="ridge"))

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        stage = max(1, round(float(trial.params["depth"]) * task.features.num_stages))
        x = task.features(task.train, stage)
        return HeadPredictor(fit_ridge(x, task.train.labels, len(task.class_names)), stage)

    @override
    def restore(self, tensors: object, info: object, source: object) -> Predictor:
        raise NotImplementedError


class Tune(Probe):
    name = "tune"
    trains = True

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of(size=floating(0.0, 1.0, default=0.5))


class Choose(Tune):
    """Three points in all."""

    name = "choose"

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of(kind=choice(("a", "b", "c"), default="a"))


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Scripted:
    """Answers every trial with what a function says, after some seconds of its clock."""

    clock: Clock
    seconds: float
    answer: Callable[[TrialSpec], Outcome] | None = None
    slots: int = 1
    specs: list[TrialSpec] = field(default_factory=list)
    waiting: list[TrialSpec] = field(default_factory=list)
    closed: bool = False

    def submit(self, spec: TrialSpec) -> None:
        self.waiting.append(spec)
        self.specs.append(spec)

    def wait(self) -> list[TrialResult]:
        spec = self.waiting.pop(0)
        self.clock.now += self.seconds
        blank = Outcome(
            spec.number, spec.source.name, spec.strategy.name, dict(spec.params), State.COMPLETE
        )
        outcome = replace(blank, value=0.5, log_loss=1.0, seconds=self.seconds)
        return [TrialResult(self.answer(spec) if self.answer else outcome, None)]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def arena(tmp_path: Path) -> Arena:
    fold = Fold(np.arange(0, 12, 2), np.arange(1, 12, 2))
    readers = tiny_readers(tmp_path / "cache")
    return Arena(shapes(2, 6), (fold,), None, readers, metric_named("accuracy"))


def _arms(*strategies: Strategy) -> Arms:
    sources = (tiny_source("one"), tiny_source("two", seed=1))
    info = TaskInfo(sources[0], None, 12, 2)  # type: ignore[arg-type]
    return Arms(sources, strategies, {s.name: s.space(info) for s in strategies})


def _study(tmp_path: Path, *, resume: bool = False) -> Study:
    return open_study(
        "mine", storage=None, workspace=tmp_path, sampler="random", seed=0, resume=resume
    )


def _search(
    study: Study,
    arena: Arena,
    arms: Arms,
    executor: Scripted,
    said: list[str] | None = None,
    recorded: list[Outcome] | None = None,
    **limits: object,
) -> list[Outcome]:
    given: dict[str, object] = {"trials": None, "deadline": None, "clock": executor.clock}
    return search(
        study,
        arms,
        arena,
        SearchLimits(**(given | limits)),  # type: ignore[arg-type]
        executor,
        seed=0,
        on_result=lambda result: result.outcome,
        on_recorded=(lambda _: None) if recorded is None else recorded.append,
        say=(lambda _: None) if said is None else said.append,
    )


def _trials(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if not outcome.probe]


def test_every_source_and_stage_is_probed_before_anything_trains(
    tmp_path: Path, arena: Arena
) -> None:
    executor = Scripted(Clock(), 1.0)
    outcomes = _search(_study(tmp_path), arena, _arms(Probe(), Tune()), executor, trials=2)
    probes = [outcome for outcome in outcomes if outcome.probe]
    assert [outcome.number for outcome in probes] == [-1 - i for i in range(len(probes))]
    stages = arena.readers[tiny_source("one")].num_stages
    seen = {(o.source, round(float(o.params["depth"]) * stages)) for o in probes}
    assert seen == {(name, stage) for name in ("one", "two") for stage in range(1, stages + 1)}
    assert {o.params["head"] for o in probes} == {"ridge", "other"}
    assert [o.strategy for o in _trials(outcomes)] == ["tune", "tune"]
    assert {spec.strategy.name for spec in executor.specs} == {"tune"}
    assert executor.closed


def test_the_probes_put_the_sources_in_order_and_a_resume_keeps_it(
    tmp_path: Path, arena: Arena
) -> None:
    study = _study(tmp_path)
    first = _search(study, arena, _arms(Probe(), Tune()), Scripted(Clock(), 1.0), trials=1)
    best = max((o for o in first if o.probe), key=lambda o: (o.value or 0, o.source == "one"))
    assert study.recall("order")[0] == best.source
    assert _trials(first)[0].source == best.source
    study.remember("order", ["two", "one"])
    again = _search(
        _study(tmp_path, resume=True),
        arena,
        _arms(Probe(), Tune()),
        Scripted(Clock(), 1.0),
        trials=2,
    )
    assert [o.number for o in again if o.probe] == [o.number for o in first if o.probe]
    assert _trials(again)[1].source == "two"


def test_with_nothing_that_trains_the_sampler_goes_on_with_the_probes(
    tmp_path: Path, arena: Arena
) -> None:
    executor = Scripted(Clock(), 1.0)
    outcomes = _search(_study(tmp_path), arena, _arms(Probe()), executor, trials=3)
    assert [o.strategy for o in _trials(outcomes)] == ["probe"] * 3
    points = [(o.source, *o.params.items()) for o in outcomes]
    assert len(set(points)) == len(points)


def test_a_space_of_six_points_ends_after_six_trials(tmp_path: Path, arena: Arena) -> None:
    outcomes = _search(_study(tmp_path), arena, _arms(Choose()), Scripted(Clock(), 1.0), trials=50)
    assert len(outcomes) == 6
    assert {(o.source, o.params["kind"]) for o in outcomes} == {
        (source, kind) for source in ("one", "two") for kind in "abc"
    }


def test_nothing_is_started_that_cannot_end_in_time(tmp_path: Path, arena: Arena) -> None:
    # a trial takes 10 s, is predicted to take 12: started at 0, 10, 20 and 30, not at 40
    executor, study = Scripted(Clock(), 10.0), _study(tmp_path)
    outcomes = _search(study, arena, _arms(Tune()), executor, deadline=50.0)
    assert len(outcomes) == 4
    assert executor.clock.now == 40.0
    assert any("was not started: too little time" in text for text in study.forced)
    assert [outcome.elapsed for outcome in outcomes] == [10.0, 20.0, 30.0, 40.0]


def test_the_reserve_for_what_comes_after_is_kept(tmp_path: Path, arena: Arena) -> None:
    executor = Scripted(Clock(), 10.0)
    outcomes = _search(
        _study(tmp_path),
        arena,
        _arms(Tune()),
        executor,
        deadline=50.0,
        reserve=lambda known: 15.0 if known else 0.0,
    )
    assert len(outcomes) == 3  # at 30 s, 5 s are left
    assert [spec.deadline for spec in executor.specs] == [50.0, 35.0, 35.0]


def test_trials_and_what_is_in_flight_count_towards_the_limit(
    tmp_path: Path, arena: Arena
) -> None:
    executor = Scripted(Clock(), 1.0, slots=4)
    outcomes = _search(_study(tmp_path), arena, _arms(Tune()), executor, trials=6)
    assert len(outcomes) == len(executor.specs) == 6


def test_what_fails_does_not_count_and_does_not_go_on_for_ever(
    tmp_path: Path, arena: Arena
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
    outcomes = _search(_study(tmp_path), arena, _arms(Tune()), executor, trials=5)
    assert [o.source for o in outcomes].count("one") == 3
    assert [o.source for o in outcomes].count("two") == 3


def test_an_interrupt_ends_the_search_with_what_there_is(tmp_path: Path, arena: Arena) -> None:
    def interrupted(spec: TrialSpec) -> Outcome:
        raise KeyboardInterrupt

    said: list[str] = []
    executor, study = Scripted(Clock(), 1.0, interrupted), _study(tmp_path)
    outcomes = _search(study, arena, _arms(Probe(), Tune()), executor, said, trials=5)
    assert outcomes
    assert all(outcome.probe for outcome in outcomes)
    assert "going on to the test with the best so far" in said[0]
    assert study.forced == ("the search was interrupted by the user",)
    assert executor.closed
    with pytest.raises(KeyboardInterrupt):
        _search(
            open_study(
                "none", storage=None, workspace=tmp_path, sampler="tpe", seed=0, resume=False
            ),
            arena,
            _arms(Tune()),
            Scripted(Clock(), 1.0, interrupted),
        )


def test_each_outcome_is_in_the_study_before_it_is_shown(tmp_path: Path, arena: Arena) -> None:
    study = _study(tmp_path)
    seen: list[bool] = []

    class Listed(list[Outcome]):
        @override
        def append(self, outcome: Outcome) -> None:
            seen.append(outcome in study.outcomes)

    _search(study, arena, _arms(Probe(), Tune()), Scripted(Clock(), 1.0), None, Listed(), trials=2)
    assert seen
    assert all(seen)


def test_the_same_seed_gives_the_same_trials(tmp_path: Path, arena: Arena) -> None:
    found = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        outcomes = _search(
            _study(folder), arena, _arms(Probe(), Tune()), Scripted(Clock(), 1.0), trials=8
        )
        found.append([(o.number, o.source, dict(o.params), o.value) for o in outcomes])
    assert found[0] == found[1]


def test_what_a_pruned_trial_took_counts_for_its_share_of_all_folds(
    tmp_path: Path, arena: Arena
) -> None:
    # 10 s for a third of the first of three folds: a whole trial takes 90 s and 90 are left
    def stopped(spec: TrialSpec) -> Outcome:
        blank = Outcome(spec.number, spec.source.name, "tune", dict(spec.params), State.PRUNED)
        return replace(blank, seconds=10.0, rungs=((0, 0.5), (1, 0.5)))

    three = replace(arena, folds=arena.folds * 3)
    executor = Scripted(Clock(), 10.0, stopped)
    outcomes = _search(_study(tmp_path), three, _arms(Tune()), executor, deadline=100.0)
    assert len(outcomes) == 1


def test_a_trial_is_held_against_its_own_strategy_alone_and_a_resume_knows_it_still(
    tmp_path: Path, arena: Arena
) -> None:
    class Lossy(Scripted):
        @override
        def wait(self) -> list[TrialResult]:
            return [
                replace(result, losses={0: np.full(6, LOSS[result.outcome.strategy])})
                for result in super().wait()
            ]

    LOSS = {"tune": np.float32(1.0), "choose": np.float32(2.0)}
    arms = _arms(Tune(), Choose())
    for resume, trials in ((False, 16), (True, 17)):
        executor = Lossy(Clock(), 1.0)
        _search(_study(tmp_path, resume=resume), arena, arms, executor, trials=trials)
        met = [
            (s.strategy.name, s.rivals[0][0]) for s in executor.specs if s.rivals[0] is not None
        ]
        assert met
        assert all(loss == LOSS[name] for name, loss in met)
