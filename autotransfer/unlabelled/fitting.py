"""A fit without target labels: the sequence, read from top to bottom."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import mean
from typing import Any

import numpy as np
import optuna

from autotransfer.errors import BudgetExhaustedError, InvalidOptionError
from autotransfer.options import Options, budget_of
from autotransfer.preparing import choose_preset
from autotransfer.problem import Budget, ParamValue, Setting
from autotransfer.registry import Registry
from autotransfer.results import (
    Baseline,
    Decision,
    Outcome,
    Ranking,
    Record,
    Seconds,
    Skipped,
    State,
    Verdict,
)
from autotransfer.saved_predictor import Kept, read_kept, write_kept
from autotransfer.search.arms import Arms
from autotransfer.search.driver import trial_seed
from autotransfer.search.study import Study, open_study
from autotransfer.selection import Selection
from autotransfer.tracking import Tracker
from autotransfer.unlabelled.arena import Arena, Point, Result, run_without_labels
from autotransfer.unlabelled.arms import arms_without_labels, reads_target
from autotransfer.unlabelled.consensus import Candidate, Choice, decide
from autotransfer.unlabelled.problem import UnlabelledProblem, open_problem
from autotransfer.unlabelled.ranking import rank_without_labels
from autotransfer.unlabelled.wording import sentence_of
from autotransfer.workspace import Place, claim

METRIC = "label-free"  # what trials are compared by; it is no accuracy
SOURCE_ONLY = "source-only"
SEARCH_SHARE = 0.9  # of the seconds; the rest is for saving and MLflow
MOST_TRIALS = 20  # of a method: scores that hardly know the truth pick worse from more trials
MAX_IDLE = 25
ANSWERS = "target.npy"


def fit_unlabelled(
    target: Any, chosen: Options, registry: Registry, began: float, caught: list[str]
) -> Selection:
    """Return the predictor that the gated consensus chose, unverified.

    Args:
        target: Pictures; labels that are there stay unread.
        chosen: The options; `source_data` is needed.
        registry: What is installed.
        began: `time.monotonic()` at the start.
        caught: Texts of the warnings so far; filled as the fit goes on.

    Raises:
        AutotransferError: If the problem cannot be used. `BudgetExhaustedError` if not even
            source-only could finish.
    """
    budget = budget_of(chosen)
    problem = open_problem(target, chosen, registry)
    preset = choose_preset(chosen, registry)
    with claim(
        problem.name, chosen.name, chosen.out, chosen.storage, resume=chosen.resume
    ) as place:
        study = open_study(
            place.name,
            storage=chosen.storage,
            workspace=place.workspace,
            sampler=chosen.sampler,
            seed=chosen.seed,
            resume=chosen.resume,
        )
        _check_same_problem(study, problem, chosen)
        chosen.say(f"ranking {len(problem.sources.sources)} sources by source pictures")
        ranking, unranked = rank_without_labels(
            problem, seed=chosen.seed, max_sources=chosen.max_sources
        )
        ranked = time.monotonic()
        shortlist = tuple(s for s in problem.sources.sources if s.name in ranking.shortlist)
        names = chosen.strategies or list(registry.strategies)
        arms, unfit = arms_without_labels(
            sorted(shortlist, key=lambda s: ranking.shortlist.index(s.name)),
            [registry.strategy(name) for name in dict.fromkeys(names)],
            preset,
            num_images=len(problem.source.learn),
            num_classes=len(problem.class_names),
        )
        skipped = [*problem.sources.skipped, *unranked, *_named_only(unfit, chosen)]
        tracker = _start_tracking(study, place, problem, arms, chosen, budget)
        arena = Arena(problem, arms.sources, chosen.seed)
        deadline = None if budget.seconds is None else began + SEARCH_SHARE * budget.seconds
        outcomes = _search(study, arms, arena, place, tracker, chosen, budget.trials, deadline)
        choice = _choice(outcomes, arms, place, problem, tracker)
        searched = time.monotonic()
        record = _record(
            place, chosen, problem, choice, ranking, outcomes, skipped, caught,
            Seconds(
                total=time.monotonic() - began,
                features=problem.readers.seconds,
                rank=ranked - began,
                search=searched - ranked,
            ),
        )  # fmt: skip
        record = replace(record, run_id=tracker.run_id)
        kept = read_kept(place.trial_folder(_outcome(outcomes, choice.chosen.number)), registry)
        selection = Selection(record, kept, problem.readers.device)
        selection.save(place.folder)
        tracker.finish(record, place.folder)
        study.remember("run_id", tracker.run_id)
        chosen.say(record.verdict.sentence)
        return selection


def _check_same_problem(study: Study, problem: UnlabelledProblem, chosen: Options) -> None:
    now, before = [problem.fingerprint, chosen.seed], study.recall("problem")
    if before is None:
        study.remember("problem", now)
    elif before != now:
        raise InvalidOptionError(
            "this study was begun with other pictures or another seed; resume it with the same "
            "ones, or choose another --name"
        )


def _named_only(skipped: Sequence[Skipped], chosen: Options) -> list[Skipped]:
    """Return what was left out; strategies of other settings only where they were named."""
    return [s for s in skipped if s.source != "*" or s.strategy in chosen.strategies]


def _start_tracking(
    study: Study,
    place: Place,
    problem: UnlabelledProblem,
    arms: Arms,
    chosen: Options,
    budget: Budget,
) -> Tracker:
    tracker = Tracker(chosen.tracking_uri, chosen.experiment, place.workspace)
    run_id = study.recall("run_id")
    if run_id is not None and tracker.resume(run_id):
        return tracker
    params: dict[str, ParamValue] = {
        "target": problem.name,
        "setting": str(Setting.UNLABELLED),
        "metric": METRIC,
        "space": chosen.space,
        "seed": chosen.seed,
        "trials": budget.trials or "no limit",
        "seconds": budget.seconds or "no limit",
        "num_images": len(problem.target.learn),
        "num_source_images": len(problem.source.learn),
        "num_classes": len(problem.class_names),
        "shortlist": ", ".join(source.name for source in arms.sources),
    }
    tags = {"target.fingerprint": problem.fingerprint}
    study.remember("run_id", tracker.start(place.name, params=params, tags=tags))
    return tracker


def _search(
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
    study.enqueue_defaults(arms)
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
        _keep(result, point, place)
        study.record(trial, result.outcome)
        outcomes.append(result.outcome)
        tracker.write(result.outcome)
        chosen.say(_line(result.outcome))
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


def _keep(result: Result, point: Point, place: Place) -> None:
    """Write the predictor and its answers; without labels any of them may be returned."""
    if result.predictor is None or result.target is None:
        return
    folder = place.trial_folder(result.outcome)
    kept = Kept(result.predictor, point.strategy.name, baseline=False, source=point.source)
    write_kept(folder, kept)
    np.save(folder / ANSWERS, result.target.argmax(axis=1))


def _line(outcome: Outcome) -> str:
    value = "" if outcome.value is None else f" {METRIC} {outcome.value:.3f}"
    reason = f" ({outcome.reason})" if outcome.reason else ""
    return (
        f"trial {outcome.number}: {outcome.source} | {outcome.strategy}: {outcome.state}{value} "
        f"in {outcome.seconds:.1f} s{reason}"
    )


def _choice(
    outcomes: Sequence[Outcome],
    arms: Arms,
    place: Place,
    problem: UnlabelledProblem,
    tracker: Tracker,
) -> Choice:
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
    return decide(candidates, len(problem.class_names))


def _outcome(outcomes: Sequence[Outcome], number: int) -> Outcome:
    return next(outcome for outcome in outcomes if outcome.number == number)


def _record(
    place: Place,
    chosen: Options,
    problem: UnlabelledProblem,
    choice: Choice,
    ranking: Ranking,
    outcomes: Sequence[Outcome],
    skipped: Sequence[Skipped],
    caught: Sequence[str],
    seconds: Seconds,
) -> Record:
    finalist = _outcome(outcomes, (choice.finalist or choice.baseline).number)
    baseline = _outcome(outcomes, choice.baseline.number)
    verdict = Verdict(
        decision=Decision.UNVERIFIED,
        basis="validators",
        sentence=sentence_of(choice),
        returned="baseline" if choice.chosen is choice.baseline else "transfer",
        test=None,
        baselines=(Baseline(SOURCE_ONLY, None, baseline.seconds),),
        best_baseline=SOURCE_ONLY,
        gap=None,
        minimum_detectable=None,
        gap_reference=None,
        returned_test=None,
    )
    source = next(s for s in problem.sources.sources if s.name == finalist.source)
    return Record(
        name=place.name,
        setting=str(Setting.UNLABELLED),
        metric=METRIC,
        class_names=problem.class_names,
        seed=chosen.seed,
        verdict=verdict,
        finalist=finalist,
        ranking=ranking,
        outcomes=tuple(
            replace(outcome, reason=outcome.reason or choice.faults.get(outcome.number, ""))
            for outcome in outcomes
        ),
        skipped=tuple(skipped),
        seconds=seconds,
        model=str(place.folder),
        warnings=(*problem.notes, *dict.fromkeys(caught)),
        provenance={
            "target": problem.target.learn.fingerprint,
            "source_data": problem.source.learn.fingerprint,
            "source": source.fingerprint,
            "source.license": source.license,
            "source.origin": source.origin,
            "source.pretrained_on": source.pretrained_on,
            "baseline": f"trial {choice.baseline.number}",
            "returned": f"trial {choice.chosen.number}",
        },
    )
