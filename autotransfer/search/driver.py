"""The search: Optuna proposes, a trial runs, the core scores, everything is recorded."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np
import optuna

from autotransfer.problem import ParamValue, Source
from autotransfer.results import Outcome, State
from autotransfer.search.arms import Arms
from autotransfer.search.pruning import thresholds
from autotransfer.search.study import Study
from autotransfer.search.trial import Arena, TrialResult, TrialSpec, run_trial
from autotransfer.strategy import Strategy

_log = logging.getLogger(__name__)

MAX_IDLE = 25  # proposals in a row that bring nothing new: the space is used up
MAX_FAILURES = 20  # beyond the number of trials that count

OnResult = Callable[[TrialResult], None]


@dataclass(frozen=True)
class SearchLimits:
    """When the search ends.

    Args:
        trials: Number of complete and pruned trials in the study; None is no limit.
        deadline: `clock()` at which no trial may still run; None is no limit.
        clock: Seconds that only grow.
    """

    trials: int | None
    deadline: float | None
    clock: Callable[[], float] = time.monotonic

    def seconds_left(self) -> float:
        """Return the seconds until the deadline, infinity without one."""
        return float("inf") if self.deadline is None else self.deadline - self.clock()


@dataclass(frozen=True)
class _Point:
    """One proposal, in the words of the arms."""

    source: Source
    strategy: Strategy
    params: Mapping[str, ParamValue]


def search(
    study: Study,
    arms: Arms,
    arena: Arena,
    limits: SearchLimits,
    *,
    seed: int,
    on_result: OnResult,
) -> list[Outcome]:
    """Run trials until the budget or the space is used up.

    Args:
        study: Where proposals come from and outcomes go.
        arms: What may be tried.
        arena: Pictures, folds and score, the same for every arm.
        limits: When to end.
        seed: With the number of a trial, the seed of the trial.
        on_result: Called with each result before the study is told, to save the predictor.

    Returns:
        Every outcome of the study, those of earlier invocations included.
    """
    study.enqueue_defaults(arms)
    outcomes = study.outcomes
    idle = 0
    while idle < MAX_IDLE and not _spent(outcomes, limits):
        trial = study.optuna.ask()
        point = _point(trial, arms)
        reason = _reason_to_dismiss(point, arms, outcomes, limits)
        if reason is not None:
            study.dismiss(trial, reason)
            idle += 1
            continue
        idle = 0
        result = run_trial(_spec(trial, point, outcomes, arena, limits, seed), arena)
        on_result(result)
        study.record(trial, result.outcome)
        outcomes.append(result.outcome)
    return outcomes


def best_of(outcomes: Sequence[Outcome]) -> Outcome | None:
    """Return the complete outcome with the best score; ties go to the lower log loss."""
    complete = [outcome for outcome in outcomes if outcome.state is State.COMPLETE]
    if not complete:
        return None
    return max(complete, key=lambda o: (o.value or 0.0, -(o.log_loss or 0.0), -o.number))


def _spent(outcomes: Sequence[Outcome], limits: SearchLimits) -> bool:
    failed = sum(outcome.state is State.FAILED for outcome in outcomes)
    counted = len(outcomes) - failed
    if limits.trials is not None and counted >= limits.trials:
        return True
    return failed > counted + MAX_FAILURES or limits.seconds_left() <= 0


def _point(trial: optuna.Trial, arms: Arms) -> _Point:
    rank = trial.suggest_int("source_rank", 1, len(arms.sources), log=True)
    names = [strategy.name for strategy in arms.strategies]
    name = trial.suggest_categorical("strategy", names)
    params = arms.spaces[name].suggest(trial, name)
    return _Point(arms.sources[rank - 1], arms.strategies[names.index(name)], params)


def _reason_to_dismiss(
    point: _Point, arms: Arms, outcomes: Sequence[Outcome], limits: SearchLimits
) -> str | None:
    """Return why a proposal is not run: a closed pair, run before, or too long for the time."""
    if not arms.open(point.source, point.strategy):
        return "the source has no classifier of its own"
    same = [
        outcome
        for outcome in outcomes
        if (outcome.source, outcome.strategy) == (point.source.name, point.strategy.name)
    ]
    if any(dict(outcome.params) == dict(point.params) for outcome in same):
        return "the same point was run before"
    finished = [outcome.seconds for outcome in same if outcome.state is State.COMPLETE]
    if finished and mean(finished) > limits.seconds_left():
        return "would not end in time"
    return None


def _spec(
    trial: optuna.Trial,
    point: _Point,
    outcomes: Sequence[Outcome],
    arena: Arena,
    limits: SearchLimits,
    seed: int,
) -> TrialSpec:
    _, validation = arena.divisions()[0]
    return TrialSpec(
        number=trial.number,
        source=point.source,
        strategy=point.strategy,
        params=point.params,
        seed=trial_seed(seed, trial.number),
        deadline=limits.deadline,
        thresholds=thresholds(outcomes, arena.num_steps, len(validation)),
    )


def trial_seed(seed: int, number: int) -> int:
    """Return the seed of a trial: the same whenever the trial is run."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0] >> 1)
