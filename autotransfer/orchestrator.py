"""`fit` and `rank`: the sequence of a fit, read from top to bottom, the same in every scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from numpy.typing import ArrayLike
from pydantic import TypeAdapter

from autotransfer.errors import InterruptedFitError
from autotransfer.report import Material, report_faults
from autotransfer.results import Outcome, Ranking, Record, Skipped
from autotransfer.scenarios.base import Candidates, Scenario, Searched
from autotransfer.scenarios.choose import scenario_of
from autotransfer.scenarios.clock import CLOSING_SHARE, RANK_SHARE
from autotransfer.scenarios.options import memory_of, refuse_unusable
from autotransfer.scenarios.precomputed import Precomputed
from autotransfer.scenarios.record import record_of
from autotransfer.scenarios.run import Run, requested, running
from autotransfer.scenarios.signatures import FitOptions, with_options
from autotransfer.search.budget import SearchLimits
from autotransfer.search.deployment_limits import ResultLimits
from autotransfer.search.driver import Search
from autotransfer.search.executors import open_executor
from autotransfer.search.recorder import TrialRecorder
from autotransfer.selection.selection import Selection
from autotransfer.tracking.registration import Promotion

_RANKINGS = TypeAdapter(Ranking)


@with_options
def fit(target: Any, y: Any = None, **options: Unpack[FitOptions]) -> Selection:
    """Return what to transfer to the target, how, and whether it helped.

    Args:
        target: A folder of class folders, an archive of one, a manifest, an `.npz`, an fsspec
            URL of these; items, as an array, a list of paths or of PIL images; a dataset of
            torch or of Hugging Face; or an `ImageSet`.
        y: (n,) labels of items; None where the target has its own.
        **options: The fields of `Options`.

    Returns:
        The selection, saved in its folder already.

    Raises:
        AutotransferError: If the target, a source or an option cannot be used; the message says
            what to do.
        InterruptedFitError: After Ctrl-C; it has the best answer so far, which is saved.
    """
    with requested(options) as request:
        return _fit(scenario_of(target if y is None else (target, y), request))


@with_options
def fit_features(
    features: Mapping[str, ArrayLike],
    y: ArrayLike,
    *,
    test: tuple[Mapping[str, ArrayLike], ArrayLike] | None = None,
    baseline: str | None = None,
    **options: Unpack[FitOptions],
) -> Selection:
    """Return which source's features to use, with which head, and whether they helped.

    For text, sound, tables: whatever has features by several sources. Nothing needs items.

    Args:
        features: (n, d) features of the same n items by the name of their source.
        y: (n,) labels.
        test: Features and labels of further items, for the guard alone; None holds out a
            quarter.
        baseline: Name of one of the matrices that uses no source (raw columns, word counts): a
            baseline to beat, not a candidate. Without it, class shares are the only baseline.
        **options: The fields of `Options`.

    Returns:
        The selection; `predict` takes matrices under the same names.

    Raises:
        AutotransferError: As for `fit`.
    """
    with requested(options) as request:
        refuse_unusable(request.options, Precomputed.title)
        return _fit(Precomputed.of(features, y, test, baseline, request))


@with_options
def rank(
    target: Any,
    y: Any = None,
    *,
    estimators: Sequence[str] = (),
    racing: bool = True,
    **options: Unpack[FitOptions],
) -> tuple[Ranking, list[Skipped]]:
    """Return the ranking of the sources for a target, without any training.

    Args:
        target: As for `fit`.
        y: (n,) labels of items; None where the target has its own.
        estimators: Names of the scores; empty for the default ones, and what is known beforehand.
        racing: Whether sources without a chance see no more than the first items.
        **options: The fields of `Options` that concern target, sources and device alone.

    Raises:
        AutotransferError: As for `fit`.
    """
    with requested(options, "rank") as request:
        for name in estimators:
            request.registry.estimator(name)
        scenario = scenario_of(target if y is None else (target, y), request)
        ranking, skipped = scenario.rank(estimators, racing=racing)
        labels = scenario.label_forecast(ranking)
        told = replace(ranking, forecast=scenario.forecast(ranking), labels=labels)
        return told, [*scenario.sources.skipped, *skipped]


def _fit(scenario: Scenario[Any, Any]) -> Selection:
    """Return the selection of a scenario; an interrupt is raised on with the best so far."""
    with running(scenario.request, scenario.name) as run:
        try:
            selection = _answered(scenario, run)
        except KeyboardInterrupt as stop:
            raise InterruptedFitError(run.place.name) from stop
        if run.clock.stopped:
            raise InterruptedFitError(run.place.name, selection)
        return selection


def _answered(scenario: Scenario[Any, Any], run: Run) -> Selection:
    """Return the selection: rank, search, choose, judge, close."""
    run.check_same_problem(scenario.identity, scenario.differing)
    run = replace(run, run_probe=scenario.first_answer(run))
    ranking, unranked = _ranked(scenario, run)
    candidates = scenario.candidates(ranking, run)
    run.clock.mark("rank")
    context = scenario.context(candidates)
    run.start_tracking(scenario.tracked(candidates), scenario.fingerprint)
    outcomes = _search(scenario, candidates, context, run)
    run.clock.mark("search")
    searched = Searched(ranking, candidates, context, outcomes)
    finalist = run.despite_interrupt(lambda: scenario.choose(searched, run))
    judged = run.despite_interrupt(lambda: scenario.judge(finalist, searched, run))
    run.clock.mark("guard")
    run.options.say(judged.verdict.sentence)  # record and report take seconds more
    record = record_of(scenario, searched, judged, unranked, run)
    selection = Selection(
        record, judged.kept, scenario.readers.device, plugins=tuple(run.options.plugins)
    )
    contest = None if judged.challenger is None else judged.challenger.contest
    return _closed(selection, scenario.material(searched, judged, run), contest, run)


def _ranked(scenario: Scenario[Any, Any], run: Run) -> tuple[Ranking, list[Skipped]]:
    """Return the order of the sources, from the study where it is there already."""
    stored = run.study.recall("ranking")
    if stored is None:
        ranking, skipped = scenario.rank(due=run.clock.deadline(RANK_SHARE))
        stored = {
            "ranking": _RANKINGS.dump_python(ranking, mode="json"),
            "skipped": [vars(item) for item in skipped],
        }
        run.study.remember("ranking", stored)
    ranking = _RANKINGS.validate_python(stored["ranking"])
    run.options.say("shortlist: " + ", ".join(ranking.shortlist))
    return ranking, [Skipped(**item) for item in stored["skipped"]]


def _search(
    scenario: Scenario[Any, Any], candidates: Candidates, context: Any, run: Run
) -> list[Outcome]:
    """Return every outcome of the study, those of earlier invocations included."""
    options, clock = run.options, run.clock
    limits = SearchLimits(
        scenario.num_trials(run),
        clock.deadline(scenario.search_share),
        began=clock.began,
        reserve=scenario.reserve(context, run),
    )
    recorder = TrialRecorder(
        arms=candidates.arms,
        context=context,
        place=run.place,
        limits=limits,
        result_limits=ResultLimits(
            options.max_mb, options.max_ms, scenario.readers, scenario.items
        ),
        always_kept={point.strategy.name for point in candidates.obvious},
        write=run.tracker.write,
        say=options.say,
        on_outcome=options.on_outcome,
        forecast=scenario.progress_forecast(context, run),
    )
    recorder.repeat(run.study.outcomes)
    executor = open_executor(
        context,
        name=options.executor,
        workers=options.workers,
        ray_address=options.ray_address,
        plugins=options.plugins,
        memory_bytes=memory_of(options),
    )
    return Search(
        run.study,
        candidates.arms,
        context,
        limits,
        executor,
        seed=options.seed,
        on_result=recorder.keep,
        on_recorded=recorder.show,
        say=options.say,
        run_probe=run.run_probe,
        earlier=scenario.first_points(run),
        obvious=candidates.obvious,
        last_resort=candidates.last_resort,
        answered=scenario.answered(candidates),
        on_interrupt=run.stop,
        further=candidates.further,
        enough=scenario.enough(candidates, context, run),
    ).run()


def _closed(
    selection: Selection,
    gather: Callable[[Record], Material],
    contest: Callable[[Path], Promotion] | None,
    run: Run,
) -> Selection:
    """Save a selection and its report, whose faults are warnings, and mirror both to MLflow."""
    folder, record = run.place.folder, selection.record
    run.despite_interrupt(lambda: selection.save(folder))
    registered = ""
    try:
        registration = run.registration(contest)
        due = run.clock.deadline(1 - CLOSING_SHARE / 2)
        faults = report_faults(folder, record, gather, due) if run.options.report else ()
        if faults:
            record = replace(record, warnings=(*record.warnings, *faults))
            selection = replace(selection, record=record)
            selection.save(folder)
        registered = run.tracker.finish(record, folder, registration=registration)
        run.study.remember("run_id", run.tracker.run_id)  # only now where MLflow was away before
    except KeyboardInterrupt:
        run.stop()
    return replace(selection, registered=registered)
