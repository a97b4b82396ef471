"""A search with a scripted executor and a clock that only moves when a trial runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from typing_extensions import override

from autotransfer.models.heads import fit_ridge
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.predictors.neural import HeadPredictor
from autotransfer.plugin.space import SearchSpace, choice, depth, floating
from autotransfer.plugin.strategy import Strategy, Task, TaskInfo, Trial
from autotransfer.plugin.testing import tiny_source
from autotransfer.results import Outcome, State, Stopped
from autotransfer.search.arms import Arms
from autotransfer.search.budget import SearchLimits
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.search.driver import Search
from autotransfer.search.probes import ProbePoint
from autotransfer.search.study import Study, open_study
from autotransfer.search.trial import TrialResult, TrialSpec


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


def arms_of(*strategies: Strategy) -> Arms:
    """Return the arms of two tiny sources."""
    sources = (tiny_source("one"), tiny_source("two", seed=1))
    info = TaskInfo(sources[0], None, 12, 2)  # type: ignore[arg-type]
    return Arms(sources, strategies, {s.name: s.space(info) for s in strategies})


def study_in(tmp_path: Path, *, resume: bool = False) -> Study:
    """Return a study in a folder; its sampler is random."""
    return open_study(
        "mine", storage=None, workspace=tmp_path, sampler="random", seed=0, resume=resume
    )


def run_search(
    study: Study,
    context: LabelledContext,
    arms: Arms,
    executor: Scripted,
    said: list[str] | None = None,
    recorded: list[Outcome] | None = None,
    obvious: Sequence[ProbePoint] = (),
    enough: Callable[[Sequence[Outcome], float, float], Stopped | None] = lambda *_: None,
    **limits: object,
) -> list[Outcome]:
    """Return the outcomes of a search with its time on the clock of the executor."""
    given: dict[str, object] = {"trials": None, "deadline": None, "clock": executor.clock}
    return Search(
        study,
        arms,
        context,
        SearchLimits(**(given | limits)),  # type: ignore[arg-type]
        executor,
        seed=0,
        on_result=lambda result: result.outcome,
        on_recorded=(lambda _: None) if recorded is None else recorded.append,
        say=(lambda _: None) if said is None else said.append,
        obvious=obvious,
        enough=enough,
    ).run()


def trials_of(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes without the probes."""
    return [outcome for outcome in outcomes if not outcome.probe]
