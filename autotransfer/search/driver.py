"""The search: from cheap to expensive, everything recorded, and it can end at any moment.

First the obvious. Then, where more is worth its time, the probes, on every source and stage, which
put the sources in order. Then Optuna proposes points of the arms that train, an executor runs
them, the core scores them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import optuna

from autotransfer.plugin.strategy import Strategy
from autotransfer.results import Outcome, ParamValue, Stopped
from autotransfer.search.arms import Arms
from autotransfer.search.budget import SearchLimits
from autotransfer.search.cost import CostModel
from autotransfer.search.executor import Executor
from autotransfer.search.interrupts import Interrupts
from autotransfer.search.probes import ProbePoint, by_probes, first_points, further_points, ordered
from autotransfer.search.pruning import Losses, rivals
from autotransfer.search.skip_rules import reason_to_skip, takes_more_than_the_rest
from autotransfer.search.study import Study
from autotransfer.search.trial import TrialContext, TrialResult, TrialSpec, best_of

MAX_IDLE = 25  # proposals in a row that bring nothing new: the space is used up
PROBE_SHARE = 0.25  # of the seconds of the search, for choices of probes beyond every stage
STOPPED = "stopped"  # why the search ended by itself
_ORDER = "order"  # the sources by their probes; kept, as a trial knows its source by the place

OnResult = Callable[[TrialResult], Outcome]
OnRecorded = Callable[[Outcome], None]
RunProbe = Callable[[TrialSpec, TrialContext], TrialResult]
Say = Callable[[str], None]


def in_context(spec: TrialSpec, context: TrialContext) -> TrialResult:
    """Run a probe."""
    return context.run(spec)


@dataclass
class Search:
    """One search: its state is the only place that changes.

    Args:
        study: Where proposals come from and outcomes go.
        arms: What may be tried.
        context: Items, folds and score, the same for every arm.
        limits: When to end.
        executor: Runs the trials; the probes, which read the cache, run here.
        seed: With the number of a trial, the seed of the trial.
        on_result: Called with each result before the study is told, to save the predictor;
            returns the outcome as it is to be recorded.
        on_recorded: Called with each outcome once the study has it.
        say: Told about progress.
        earlier: Returns points of earlier fits to begin with, for arms in their final order.
        run_probe: Runs a probe; a replay of recorded fits has its own.
        obvious: What is tried before anything else, whatever time is left.
        last_resort: What is tried at the end, whatever time is left, where nothing else has given
            an answer.
        answered: Returns whether there is an answer.
        on_interrupt: Called where an interrupt has ended the search with an answer.
        further: Whether probes are tried at other choices of their parameters as well.
        enough: Returns why no further trial is worth its time, given the outcomes, the seconds of
            the fit and those left; None where one is.
    """

    study: Study
    arms: Arms
    context: TrialContext
    limits: SearchLimits
    executor: Executor
    seed: int
    on_result: OnResult
    on_recorded: OnRecorded
    say: Say
    earlier: Callable[[Arms], Sequence[Mapping[str, ParamValue]]] = lambda _arms: ()
    run_probe: RunProbe = in_context
    obvious: Sequence[ProbePoint] = ()
    last_resort: Sequence[ProbePoint] = ()
    answered: Callable[[Sequence[Outcome]], bool] = lambda outcomes: best_of(outcomes) is not None
    on_interrupt: Callable[[], None] = lambda: None
    further: bool = True
    enough: Callable[[Sequence[Outcome], float, float], Stopped | None] = lambda *_: None

    def __post_init__(self) -> None:
        self.outcomes = self.study.outcomes
        self.began = max((o.elapsed for o in self.outcomes), default=0.0)  # of earlier invocations
        self.interrupts = Interrupts()
        self.running: dict[int, optuna.Trial] = {}
        self.losses: dict[int, tuple[str, Losses]] = {}
        self.forced: set[str] = set()
        self.stopped: Stopped | None = None

    def run(self) -> list[Outcome]:
        """Run probes and trials until the budget or the space is used up.

        An interrupt ends the search as the deadline does, once there is an answer; trials that
        ran are queued again.

        Returns:
            Every outcome of the study, those of earlier invocations included.
        """
        try:
            with self.interrupts.watched():
                with self.interrupts.held():
                    self.study.remember(STOPPED, None)  # what an earlier invocation has decided
                self.try_first(self.obvious)
                if not self._has_enough():
                    self.probe()
                    self.train()
                self.resort()
        except KeyboardInterrupt:
            self.study.recover()
            if not self.answered(self.outcomes):
                raise
            self.on_interrupt()
        finally:
            self.executor.close()
        return self.outcomes

    # the first rung

    def try_first(self, points: Sequence[ProbePoint]) -> None:
        """Run the obvious; the first of it even where no time is left: it is the last resort."""
        for place, point in enumerate(self._unrun(points)):
            if place > 0 and self.limits.seconds_left(self.outcomes) <= 0:
                self._note_forced(f"{point.strategy.name} was left out: no time was left for it")
                return
            self._run(point, deadline=None)

    def probe(self) -> None:
        """Run every probe that has not run yet, then put the sources in the order they give."""
        if not self.context.probes:
            return
        with self.interrupts.held():
            known = self.study.recall(_ORDER)
        if known is None:
            readers = self.context.readers
            stages = first_points(self.arms, lambda source: readers[source].num_stages)
            self._probe_all(self._unrun(stages), 1.0)
            if self.further:
                more = self._unrun(further_points(self.arms, self.outcomes))
                self._probe_all(more, PROBE_SHARE)
            found = by_probes(self.arms.sources, self.outcomes)
            with self.interrupts.held():
                self.study.remember(_ORDER, [source.name for source in found])
        with self.interrupts.held():
            self.arms = ordered(self.arms, self.study.recall(_ORDER)).trained

    def _unrun(self, points: Iterable[ProbePoint]) -> Iterator[ProbePoint]:
        done = {_place(o.source, o.strategy, o.params) for o in self.outcomes}
        for point in points:
            place = _place(point.source.name, point.strategy.name, point.params)
            if place not in done:
                done.add(place)
                yield point

    def _probe_all(self, points: Iterator[ProbePoint], share: float) -> None:
        """Run probes for a share of the time that is left."""
        until = self.limits.clock() + share * self.limits.seconds_left(self.outcomes)
        for point in points:
            left = min(self.limits.seconds_left(self.outcomes), until - self.limits.clock())
            if left < math.inf:
                left -= self.context.reading_seconds(point.strategy, point.source)
            if not self._fits(point, left):
                self._note_forced("some probes were left out: no time was left for them")
                continue
            self._run(point, deadline=self.limits.end(self.outcomes))

    def _run(self, point: ProbePoint, *, deadline: float | None) -> None:
        number = min(min((o.number for o in self.outcomes), default=0), 0) - 1
        seed = self.context.seed_of(self.seed, number)
        spec = TrialSpec(number, point.source, point.strategy, point.params, seed, deadline)
        self._keep(self.run_probe(spec, self.context), self.study.keep_probe)

    def resort(self) -> None:
        """Run the last resort where time alone has left the search without an answer."""
        if self.limits.deadline is None or self.answered(self.outcomes):
            return
        for point in self._unrun(self.last_resort):
            named = f"{point.strategy.name} on {point.source.name}"
            self._note_forced(f"nothing else ended in time: {named} is the last resort")
            self._run(point, deadline=None)

    # the rungs above

    def train(self) -> None:
        """Run trials until the budget or the space is used up."""
        with self.interrupts.held():
            self.study.enqueue(self.arms, self.earlier(self.arms))
            kept = self.study.losses()
        strategies = {outcome.number: outcome.strategy for outcome in self.outcomes}
        self.losses = {n: (strategies[n], kept[n]) for n in kept if n in strategies}
        while True:
            while len(self.running) < self.executor.slots and self._start():
                pass
            if not self.running:
                return
            for result in self.executor.wait():
                self._finish(result)

    def _start(self) -> bool:
        """Start the next trial; False where there is none, or none may start now."""
        if self._has_enough():
            return False
        for _ in range(MAX_IDLE):
            if self.limits.spent(self.outcomes, len(self.running)) or self._used_up():
                return False
            with self.interrupts.held():
                trial = self.study.optuna.ask()
                point = self._proposed(trial)
                reason = self._reason_to_dismiss(point)
                if reason is None:
                    self.executor.submit(self._spec(trial, point))
                    self.running[trial.number] = trial
                    return True
                self.study.dismiss(trial, reason)
        return False

    def _has_enough(self) -> bool:
        """Return whether no further trial is worth its time; the reason is told and kept."""
        if self.stopped is None and not self.limits.spent(self.outcomes, len(self.running)):
            seconds = self.limits.clock() - self.limits.began
            left = self.limits.seconds_left(self.outcomes)
            self.stopped = self.enough(self.outcomes, seconds, left)
            if self.stopped is not None:
                self.say(self.stopped.reason)
                with self.interrupts.held():
                    self.study.remember(STOPPED, asdict(self.stopped))
        return self.stopped is not None

    def _finish(self, result: TrialResult) -> None:
        number = result.outcome.number
        trial = self.running.pop(number)
        self._keep(result, lambda outcome: self.study.record(trial, outcome, result.losses))
        self.losses[number] = (result.outcome.strategy, result.losses)

    def _keep(self, result: TrialResult, record: Callable[[Outcome], None]) -> None:
        """Save the predictor, then the outcome."""
        elapsed = self.began + self.limits.clock() - self.limits.began
        result = replace(result, outcome=replace(result.outcome, elapsed=elapsed))
        with self.interrupts.held():
            outcome = self.on_result(result)
            record(outcome)
            self.outcomes.append(outcome)
            self.on_recorded(outcome)

    def _used_up(self) -> bool:
        """Return whether every point of a space without continuous parameters was tried."""
        names = {strategy.name for strategy in self.arms.strategies}
        tried = {
            _place(o.source, o.strategy, o.params) for o in self.outcomes if o.strategy in names
        }
        return len(tried) + len(self.running) >= self.arms.num_points

    def _proposed(self, trial: optuna.Trial) -> ProbePoint:
        rank = trial.suggest_int("source_rank", 1, len(self.arms.sources), log=True)
        names = [strategy.name for strategy in self.arms.strategies]
        name = trial.suggest_categorical("strategy", names)
        params = self.arms.spaces[name].suggest(trial, name)
        strategy = self.arms.strategies[names.index(name)]
        return ProbePoint(self.arms.sources[rank - 1], strategy, params)

    def _reason_to_dismiss(self, point: ProbePoint) -> str | None:
        source, strategy, params = point.source, point.strategy, point.params
        if not self.arms.open(source, strategy):
            return "the source has nothing that the strategy could read"
        same = [o for o in self.outcomes if (o.source, o.strategy) == (source.name, strategy.name)]
        reason = reason_to_skip(params, same) or self._has_had_enough(strategy)
        if reason is None and self.context.is_baseline(strategy):
            cost = CostModel.of(self.outcomes, self.context.num_fits)
            seconds = cost.seconds(source.name, strategy.name, params)
            reason = takes_more_than_the_rest(strategy.name, seconds, self.outcomes)
        if reason is not None:
            return reason
        left = self.limits.seconds_left(self.outcomes)
        if not self._fits(point, left):
            self._note_forced(f"{strategy.name} on {source.name} was not started: too little time")
            return "would not end in time"
        return None

    def _has_had_enough(self, strategy: Strategy) -> str | None:
        most = self.context.most_trials
        if most is None or sum(o.strategy == strategy.name for o in self.outcomes) < most:
            return None
        return f"{strategy.name} has had {most} trials"

    def _fits(self, point: ProbePoint, seconds_left: float) -> bool:
        """Return whether a trial is likely to end in so many seconds."""
        if seconds_left == float("inf"):
            return True
        model = CostModel.of(self.outcomes, self.context.num_fits)
        predicted = model.seconds(point.source.name, point.strategy.name, point.params)
        return (predicted or 0.0) < seconds_left

    def _spec(self, trial: optuna.Trial, point: ProbePoint) -> TrialSpec:
        named = point.strategy.name
        known = [losses for name, losses in self.losses.values() if name == named]
        return TrialSpec(
            number=trial.number,
            source=point.source,
            strategy=point.strategy,
            params=point.params,
            seed=self.context.seed_of(self.seed, trial.number),
            deadline=self.limits.end(self.outcomes),
            rivals=rivals(known, self.context.num_steps),
        )

    def _note_forced(self, decision: str) -> None:
        if decision not in self.forced:
            self.forced.add(decision)
            with self.interrupts.held():
                self.study.note_forced(decision)


def _place(
    source: str, strategy: str, params: Mapping[str, ParamValue]
) -> tuple[str, str, frozenset[tuple[str, ParamValue]]]:
    return source, strategy, frozenset(params.items())
