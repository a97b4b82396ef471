"""The search without target labels: defaults first, then what the sampler proposes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import mean

import numpy as np
import optuna

from autotransfer.errors import BudgetExhaustedError
from autotransfer.results import Outcome, State
from autotransfer.scenarios.options import Options
from autotransfer.scenarios.unlabelled.arms import reads_target
from autotransfer.scenarios.unlabelled.consensus import Candidate
from autotransfer.scenarios.unlabelled.trials import Arena, Point, Result, run_without_labels
from autotransfer.search.arms import Arms
from autotransfer.search.checkpoint import Kept, write_kept
from autotransfer.search.driver import trial_seed
from autotransfer.search.run_folder import Place
from autotransfer.search.study import Study
from autotransfer.tracking import Tracker

METRIC = "label-free"  # what trials are compared by; it is no accuracy
MOST_TRIALS = 20  # of a method: scores that hardly know the truth pick worse from more trials
MAX_IDLE = 25
ANSWERS = "target.npy"


def search_without_labels(
    study: Study,
    arms: Arms,
    arena: Arena,
    place: Place,
    tracker: Tracker,
    chosen: Options,
    trials: int | None,
    deadline: float | None,
) -> list[Outcome]:
    """Run the default of every arm, then what the sampler proposes, within the budget."""
    study.enqueue(arms)
    outcomes = study.outcomes
    for outcome in outcomes:  # written again where an earlier driver was killed before
        tracker.write(outcome)
    idle = 0
    while idle < MAX_IDLE and not _spent(outcomes, trials, deadline):
        trial = study.optuna.ask()
        point = _point(trial, arms, chosen.seed, deadline)
        reason = _reason_to_dismiss(point, arms, outcomes, deadline)
        if reason:
            study.dismiss(trial, reason)
            idle += 1
            continue
        idle = 0
        result = run_without_labels(point, arena)
        _keep(result, point, place, arena)
        study.record(trial, result.outcome)
        outcomes.append(result.outcome)
        tracker.write(result.outcome)
        chosen.say(_line(result.outcome))
        chosen.on_outcome(result.outcome)
    return outcomes


def _spent(outcomes: Sequence[Outcome], trials: int | None, deadline: float | None) -> bool:
    counted = sum(outcome.state is not State.FAILED for outcome in outcomes)
    if trials is not None and counted >= trials:
        return True
    if len(outcomes) > 2 * counted + MOST_TRIALS:
        return True
    return deadline is not None and time.monotonic() >= deadline


def _point(trial: optuna.Trial, arms: Arms, seed: int, deadline: float | None) -> Point:
    rank = trial.suggest_int("source_rank", 1, len(arms.sources), log=True)
    names = [strategy.name for strategy in arms.strategies]
    name = trial.suggest_categorical("strategy", names)
    params = arms.spaces[name].suggest(trial, name)
    # One seed for all: methods are compared from the same initialisation and order of pictures.
    return Point(
        trial.number,
        arms.sources[rank - 1],
        arms.strategies[names.index(name)],
        params,
        trial_seed(seed, 0),
        deadline,
    )


def _reason_to_dismiss(
    point: Point, arms: Arms, outcomes: Sequence[Outcome], deadline: float | None
) -> str:
    """Return why a proposal is not run; empty where it is."""
    if not arms.open(point.source, point.strategy):
        return "the source has nothing that the strategy could read"
    same = [
        o for o in outcomes if (o.source, o.strategy) == (point.source.name, point.strategy.name)
    ]
    if any(dict(o.params) == dict(point.params) for o in same):
        return "the same point was run before"
    if sum(o.strategy == point.strategy.name for o in outcomes) >= MOST_TRIALS:
        return f"{point.strategy.name} has had {MOST_TRIALS} trials"
    finished = [o.seconds for o in same if o.state is State.COMPLETE]
    if finished and deadline is not None and time.monotonic() + mean(finished) > deadline:
        return "would not end in time"
    return ""


def _keep(result: Result, point: Point, place: Place, arena: Arena) -> None:
    """Write the predictor and its answers; without labels any of them may be returned."""
    if result.predictor is None or result.target is None:
        return
    folder = place.trial_folder(result.outcome)
    kept = Kept(
        result.predictor,
        point.strategy.name,
        baseline=False,
        source=point.source,
        seen=arena.problem.seen,
    )
    write_kept(folder, kept)
    np.save(folder / ANSWERS, result.target.argmax(axis=1))


def _line(outcome: Outcome) -> str:
    value = "" if outcome.value is None else f" {METRIC} {outcome.value:.3f}"
    reason = f" ({outcome.reason})" if outcome.reason else ""
    return (
        f"trial {outcome.number}: {outcome.source} | {outcome.strategy}: {outcome.state}{value} "
        f"in {outcome.seconds:.1f} s{reason}"
    )


def candidates_of(
    outcomes: Sequence[Outcome],
    arms: Arms,
    place: Place,
    tracker: Tracker,
) -> list[Candidate]:
    """Return every complete trial as the consensus sees it.

    Raises:
        BudgetExhaustedError: If none of them ignores the target.
    """
    strategies = {strategy.name: strategy for strategy in arms.strategies}
    candidates = [
        Candidate(
            number=outcome.number,
            source=outcome.source,
            strategy=outcome.strategy,
            adapts=reads_target(strategies[outcome.strategy]),
            standing=strategies[outcome.strategy].standing,
            optimises=strategies[outcome.strategy].optimises,
            scores=outcome.validators,
            answers=np.load(place.trial_folder(outcome) / ANSWERS, allow_pickle=False),
            fault=outcome.reason,
            moves_source=strategies[outcome.strategy].moves_source,
        )
        for outcome in outcomes
        if outcome.state is State.COMPLETE and outcome.strategy in strategies
    ]
    if all(candidate.adapts for candidate in candidates):
        tracker.fail("source-only did not finish")
        reasons = dict.fromkeys(o.reason for o in outcomes if o.reason)
        raise BudgetExhaustedError(
            "no trial that ignores the target finished within the budget, so there is nothing to "
            "compare with" + "".join(f"\n  {reason}" for reason in reasons)
        )
    return candidates
