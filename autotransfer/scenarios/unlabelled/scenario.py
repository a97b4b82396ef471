"""A fit without target labels: the sequence, read from top to bottom."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from autotransfer.errors import InvalidOptionError
from autotransfer.plugin.registry import Registry
from autotransfer.report import Material
from autotransfer.results import (
    Outcome,
    ParamValue,
    Ranking,
    Record,
    Seconds,
    Setting,
    Skipped,
    Verdict,
)
from autotransfer.scenarios.inputs import choose_preset
from autotransfer.scenarios.labelled_report import SOURCE, TARGET, material_without_labels
from autotransfer.scenarios.options import Budget, Options, budget_of
from autotransfer.scenarios.recording import closed, track
from autotransfer.scenarios.unlabelled.arms import arms_without_labels
from autotransfer.scenarios.unlabelled.audit_table import (
    AUDIT_FILE,
    audited,
    number_or_table,
    plan_audit,
    read_table,
    write_table,
)
from autotransfer.scenarios.unlabelled.consensus import Choice, decide
from autotransfer.scenarios.unlabelled.inputs import UnlabelledProblem, open_problem
from autotransfer.scenarios.unlabelled.intermediate_domains import (
    Route,
    choose_route,
    common_source,
    left_out,
)
from autotransfer.scenarios.unlabelled.ranking import rank_without_labels
from autotransfer.scenarios.unlabelled.recording import outcome_of, record_of
from autotransfer.scenarios.unlabelled.searching import (
    METRIC,
    candidates_of,
    search_without_labels,
)
from autotransfer.scenarios.unlabelled.trials import Arena
from autotransfer.search.arms import Arms
from autotransfer.search.checkpoint import Kept, read_kept
from autotransfer.search.run_folder import Place, claim
from autotransfer.search.study import Study, open_study
from autotransfer.selection.selection import Selection
from autotransfer.tracking import Tracker

SEARCH_SHARE = 0.9  # of the seconds; the rest is for saving, the report and MLflow
REPORT_SHARE = 0.975  # of the seconds, until the report has to be there


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
        problem.name,
        chosen.name,
        chosen.out,
        chosen.storage,
        resume=chosen.resume,
        workspace=chosen.workspace,
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
        chosen.on_part("rank", ranked - began)
        shortlist = tuple(s for s in problem.sources.sources if s.name in ranking.shortlist)
        route = _route(problem, ranking, chosen)
        names = chosen.strategies or list(registry.strategies)
        arms, unfit = arms_without_labels(
            sorted(shortlist, key=lambda s: ranking.shortlist.index(s.name)),
            [registry.strategy(name) for name in dict.fromkeys(names)],
            preset,
            num_images=len(problem.source.learn),
            num_classes=len(problem.class_names),
            no_route=route.refused,
        )
        skipped = [*problem.sources.skipped, *unranked, *_named_only(unfit, chosen)]
        skipped += left_out(problem.stones, route)
        tracker = _start_tracking(study, place, problem, arms, chosen, budget)
        plan = study.recall("audit")
        outcomes = study.outcomes
        if plan is None:
            arena = Arena(problem, arms.sources, chosen.seed, route)
            deadline = None if budget.seconds is None else began + SEARCH_SHARE * budget.seconds
            outcomes = search_without_labels(
                study, arms, arena, place, tracker, chosen, budget.trials, deadline
            )
        candidates = candidates_of(outcomes, arms, place, tracker)
        choice = decide(
            candidates, len(problem.class_names), num_source=len(problem.source.held_out)
        )
        searched = time.monotonic()
        chosen.on_part("search", searched - ranked)
        record = record_of(
            place, chosen, problem, choice, ranking, outcomes, skipped, caught,
            Seconds(
                total=time.monotonic() - began,
                features=problem.readers.seconds,
                rank=ranked - began,
                search=searched - ranked,
            ),
        )  # fmt: skip
        record = replace(
            record,
            run_id=tracker.run_id,
            verdict=_audit(record.verdict, choice, problem, study, place, chosen),
        )
        returned = choice.baseline if record.verdict.returned == "baseline" else choice.finalist
        assert returned is not None
        kept = read_kept(place.trial_folder(outcome_of(outcomes, returned.number)), registry)
        provenance = {**record.provenance, "returned": f"trial {returned.number}"}
        if route.sentence:
            provenance["through"] = route.sentence
        selection = Selection(replace(record, provenance=provenance), kept, problem.readers.device)
        gather = partial(_material, problem, choice, kept, place, registry, outcomes)
        return closed(selection, place, tracker, study, chosen, gather, _until(began, budget))


def _until(began: float, budget: Budget) -> float | None:
    """Return when the report has to be there."""
    return None if budget.seconds is None else began + REPORT_SHARE * budget.seconds


def _material(
    problem: UnlabelledProblem,
    choice: Choice,
    kept: Kept,
    place: Place,
    registry: Registry,
    outcomes: Sequence[Outcome],
    record: Record,
) -> Material:
    """Return what the report is made from: both domains, before and after adapting."""

    def predictor(number: int) -> Kept:
        return read_kept(place.trial_folder(outcome_of(outcomes, number)), registry)

    predictors = {"source-only": predictor(choice.baseline.number)}
    if choice.finalist is not None:
        title = f"after {choice.finalist.strategy}"
        predictors[title] = predictor(choice.finalist.number)
    learnt = {SOURCE: problem.source.learn, TARGET: problem.target.learn}
    held_out = {SOURCE: problem.source.held_out, TARGET: problem.target.held_out}
    return material_without_labels(record, problem.readers, learnt, held_out, kept, predictors)


def _route(problem: UnlabelledProblem, ranking: Ranking, chosen: Options) -> Route:
    """Return the way through the intermediate pictures; the direct one where there are none."""
    if not problem.stones:
        return Route()
    common = common_source(problem.sources.sources, ranking.shortlist)
    chosen.say(f"comparing {len(problem.stones)} intermediate set(s) as {common.name} sees them")
    found = choose_route(
        problem.stones,
        problem.source.learn,
        problem.target.learn,
        problem.readers[common],
        seed=chosen.seed,
    )
    chosen.say(found.refused or f"going through {found.sentence}")
    return found


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
    return track(study, place, chosen, params, problem.fingerprint)


def _audit(
    verdict: Verdict,
    choice: Choice,
    problem: UnlabelledProblem,
    study: Study,
    place: Place,
    chosen: Options,
) -> Verdict:
    """Return the verdict; write the table to fill in, or read it where it was filled."""
    if chosen.audit_labels is None:
        return verdict
    asked, plan = number_or_table(chosen.audit_labels), study.recall("audit")
    held_out = problem.target.held_out
    if isinstance(asked, int):
        if plan is None:
            plan = plan_audit(choice, held_out, asked, seed=chosen.seed)
            study.remember("audit", plan)
        table = place.folder / AUDIT_FILE
        write_table(table, plan, held_out, seed=chosen.seed)
        chosen.say(
            f"fill in the column label of {table}, then run the same command with --resume --name "
            f"{place.name} --audit-labels {table}"
        )
        return verdict
    if plan is None or choice.finalist is None:
        raise InvalidOptionError(
            "this study has asked for no labels yet; run it with --audit-labels NUMBER first"
        )
    labels = read_table(asked, plan, held_out, problem.class_names)
    answers = choice.finalist.answers, choice.baseline.answers
    return audited(verdict, plan, labels, *answers, chosen.margin)
