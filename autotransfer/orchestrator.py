"""`fit` and `rank`: the sequence of a fit, read from top to bottom."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from autotransfer.data.attributes import Attributes
from autotransfer.data.holdout import Division, divide
from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import Target
from autotransfer.errors import (
    BudgetExhaustedError,
    DataWarning,
    InvalidOptionError,
    InvalidTargetError,
)
from autotransfer.guard.guard import Guarding, Judged
from autotransfer.guard.verdict import UNGUARDED
from autotransfer.models.metrics import Metric, metric_named
from autotransfer.models.precomputed_features import Matrices
from autotransfer.plugin.registry import Registry
from autotransfer.results import (
    Described,
    Outcome,
    Ranking,
    Record,
    Setting,
    Skipped,
)
from autotransfer.scenarios.candidates import Candidates, candidates_of
from autotransfer.scenarios.choose import setting_of
from autotransfer.scenarios.clock import CLOSING_SHARE, GUARD_SHARE, Clock
from autotransfer.scenarios.inputs import (
    Problem,
    choose_preset,
    choose_sources,
    discover_plugins,
    make_readers,
    open_labelled,
    problem_of_matrices,
    problem_of_pictures,
)
from autotransfer.scenarios.labelled_report import Ended
from autotransfer.scenarios.options import (
    Budget,
    Options,
    budget_of,
    class_weights_of,
    memory_of,
    read_options,
)
from autotransfer.scenarios.recording import closed, collected_warnings, record_of, start_tracking
from autotransfer.scenarios.shortlist import Sourcing, usable
from autotransfer.scenarios.unlabelled.scenario import fit_unlabelled
from autotransfer.scenarios.zero_shot.scenario import (
    described_arena,
    described_options,
    divide_described,
    is_described,
    judge_described,
    problem_of_descriptions,
    table_fingerprint,
)
from autotransfer.scenarios.zero_shot.trials import DescribedArena
from autotransfer.search.budget import SearchLimits
from autotransfer.search.checkpoint import with_rejection
from autotransfer.search.deployment_limits import ResultLimits
from autotransfer.search.executors import open_executor
from autotransfer.search.recorder import Searching, refit_reserve
from autotransfer.search.refit import Finalist, Finishing
from autotransfer.search.run_folder import Place, claim
from autotransfer.search.storage import STORAGE_FILE
from autotransfer.search.study import Study, load_studies, open_study
from autotransfer.search.trial import Arena
from autotransfer.search.warm_start import SEEN, Earlier, earlier_fits, packed_digests
from autotransfer.selection.selection import Selection
from autotransfer.tracking import Tracker
from autotransfer.transferability.ranking import rank_sources
from autotransfer.transferability.ranking.earlier_targets import record_places
from autotransfer.transferability.ranking.forecast import forecast


def fit(target: Any, y: Any = None, **options: Any) -> Selection:
    """Return what to transfer to the target, how, and whether it helped.

    Args:
        target: A folder of class folders, an archive of one, a manifest, an `.npz`, an fsspec
            URL of these; pictures, as an array, a list of paths or of PIL images; a dataset of
            torch or of Hugging Face; or an `ImageSet`.
        y: (n,) labels of pictures; None where the target has its own.
        **options: The fields of `Options`.

    Returns:
        The selection, saved in its folder already.

    Raises:
        AutotransferError: If the target, a source or an option cannot be used; the message says
            what to do. `BudgetExhaustedError` if not one trial could finish.
    """
    began = time.monotonic()
    chosen = read_options(options)
    target = target if y is None else (target, y)
    with collected_warnings() as caught:
        registry = discover_plugins(chosen)
        if is_described(chosen):
            chosen = described_options(chosen)
            problem = problem_of_descriptions(target, chosen, registry)
            return _fit(problem, chosen, registry, began, caught)
        if setting_of(target, chosen) is Setting.UNLABELLED:
            if chosen.unlabelled is not None:
                raise InvalidOptionError(
                    "the target itself has no labels; unlabelled is for pictures beside labelled "
                    "ones: put them all into the target"
                )
            return fit_unlabelled(target, chosen, registry, began, caught)
        if chosen.through:
            raise InvalidOptionError(
                "through is for targets without labels, beside source_data; for a labelled target "
                "give pictures without labels as unlabelled, or labelled ones as source_data"
            )
        if chosen.audit_labels is not None:
            raise InvalidOptionError("audit_labels is for targets without labels; leave it out")
        return _fit(problem_of_pictures(target, chosen, registry), chosen, registry, began, caught)


def fit_features(
    features: Mapping[str, ArrayLike],
    y: ArrayLike,
    *,
    test: tuple[Mapping[str, ArrayLike], ArrayLike] | None = None,
    baseline: str | None = None,
    **options: Any,
) -> Selection:
    """Return which source's features to use, with which head, and whether they helped.

    For text, sound, tables: whatever has features by several sources. Nothing needs pictures.

    Args:
        features: (n, d) features of the same n items by the name of their source.
        y: (n,) labels.
        test: Features and labels of further items, sealed until the guard; None seals a quarter.
        baseline: Name of one of the matrices that uses no source (raw columns, word counts): a
            baseline to beat, not a candidate. Without it, class shares are the only baseline.
        **options: The fields of `Options`.

    Returns:
        The selection; `predict` takes matrices under the same names.

    Raises:
        AutotransferError: As for `fit`.
    """
    began = time.monotonic()
    chosen = read_options(options)
    with collected_warnings() as caught:
        registry = discover_plugins(chosen)
        train = Matrices.of(features, y)
        sealed = None if test is None else Matrices.of(*test, train.class_names)
        problem = problem_of_matrices(train, sealed, baseline, chosen)
        return _fit(problem, chosen, registry, began, caught)


def rank(
    target: Any,
    y: Any = None,
    *,
    estimators: Sequence[str] = (),
    racing: bool = True,
    **options: Any,
) -> tuple[Ranking, list[Skipped]]:
    """Return the ranking of the sources for a target, without any training.

    Args:
        target: As for `fit`.
        y: (n,) labels of pictures; None where the target has its own.
        estimators: Names of the scores of the consensus; empty for the default ones with what
            is known of the sources beforehand.
        racing: Whether sources without a chance see no more than the first pictures.
        **options: The fields of `Options` that concern target, sources and device.

    Raises:
        AutotransferError: As for `fit`.
    """
    chosen = read_options(options)
    target = target if y is None else (target, y)
    registry = discover_plugins(chosen)
    for name in estimators:
        registry.estimator(name)
    if is_described(chosen):
        problem = problem_of_descriptions(target, chosen, registry)
        opened, sources, table = problem.target, problem.sources, problem.attributes
        division = divide_described(opened)
    else:
        opened, table = open_labelled(target, chosen), None
        sources = choose_sources(chosen, registry, opened)
        division = divide(opened)
    readers, workspace = make_readers(chosen), Path(chosen.workspace or ".")
    sourcing = Sourcing(sources, division, readers, registry, workspace, chosen, table)
    ranking, skipped = rank_sources(
        sources.sources,
        division.images,
        readers,
        sourcing.consensus(estimators),
        seed=chosen.seed,
        max_sources=chosen.max_sources,
        racing=racing,
    )
    told = forecast(ranking, sources.sources, division.images) if table is None else ""
    return replace(ranking, forecast=told), [*sources.skipped, *skipped]


def _fit(
    problem: Problem, chosen: Options, registry: Registry, began: float, caught: list[str]
) -> Selection:
    budget, metric = budget_of(chosen), metric_named(chosen.metric)
    preset = choose_preset(chosen, registry)
    opened, readers, table = problem.target, problem.readers, problem.attributes
    division = divide_described(opened) if table else divide(opened, pictures=problem.pictures)
    sources = usable(problem, division, chosen)
    clock = Clock(began, budget.seconds, chosen.on_part)
    with claim(
        opened.name,
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
        _check_same_problem(study, division, chosen, table)
        sourcing = Sourcing(sources, division, readers, registry, place.workspace, chosen, table)
        ranking, unranked = sourcing.ranked(study, clock)
        competing = candidates_of(problem, sourcing, ranking, preset, clock)
        clock.mark("rank")
        arms = competing.arms
        skipped = [*sources.skipped, *unranked, *_unsaid(competing.skipped, unranked)]
        arena = _arena(problem, division, competing, metric, chosen)
        tracker = start_tracking(study, place, opened, arms, chosen, budget)
        earlier = _earlier(study, division, place, chosen)
        outcomes = _search(study, competing, arena, place, tracker, budget, clock, chosen, earlier)
        clock.mark("search")
        record_places(
            place.workspace / STORAGE_FILE, division.images.fingerprint, arms.sources, outcomes
        )
        latest = clock.deadline(1 - GUARD_SHARE / 2)
        finishing = Finishing(arms, arena, place, registry, _combining(chosen), latest)
        finalist = finishing.choose(outcomes)
        if finalist is None:
            tracker.fail("no trial finished")
            raise BudgetExhaustedError(_nothing_finished(outcomes))
        guarding = Guarding(
            finishing,
            division,
            sources.sources[0],
            ranking,
            opened.name,
            clock.deadline(1 - CLOSING_SHARE),
            partial(sourcing.nested, ranking, arena.folds),
        )
        judged, described = _judged(guarding, finalist, outcomes)
        verdict, finalist = judged.verdict, judged.finalist
        kept = with_rejection(judged.kept, division.images, readers)
        clock.mark("guard")
        record = record_of(
            study,
            place,
            chosen,
            opened,
            verdict,
            finalist.outcome,
            ranking,
            outcomes,
            skipped,
            clock,
            readers,
            [*division.notes, *caught],
            sources,
        )
        record = replace(record, members=kept.members)
        if described is not None:
            record = _of_descriptions(record, described)
        ended = Ended(finishing, division, finalist, outcomes, kept, problem.pictures)
        due = clock.deadline(1 - CLOSING_SHARE / 2)
        selection = Selection(record, kept, readers.device)
        return closed(selection, place, tracker, study, chosen, ended.material, due)


def _arena(
    problem: Problem,
    division: Division,
    competing: Candidates,
    metric: Metric,
    chosen: Options,
) -> Arena:
    """Return what all trials share."""
    opened, table = problem.target, problem.attributes
    arena = Arena(
        division.images,
        division.folds(chosen.seed) if table is None else (),
        opened.validation,
        problem.readers,
        metric,
        _unseen(problem.source_images, division, opened, "source"),
        competing.arms.sources,
        problem.baselines,
        problem.baseline_source,
        class_weights_of(chosen, division.images),
        _unseen(problem.unlabelled, division, opened, "unlabelled"),
        competing.pool,
    )
    return arena if table is None else described_arena(arena, table, chosen.seed)


def _combining(chosen: Options) -> Options:
    """Return the options with ensembles only where nothing limits what an answer may cost."""
    limited = chosen.max_mb is not None or chosen.max_ms is not None
    return replace(chosen, ensemble=chosen.ensemble and not limited)


def _of_descriptions(record: Record, described: Described) -> Record:
    """Return the record of a fit in which some classes have no pictures."""
    setting = str(Setting.DESCRIBED)
    return replace(record, setting=setting, class_names=described.unseen, described=described)


def _judged(
    guarding: Guarding, finalist: Finalist, outcomes: Sequence[Outcome]
) -> tuple[Judged, Described | None]:
    """Return verdict and predictor; in the described setting the figures of held-out classes."""
    finishing = guarding.finishing
    if not finishing.chosen.guard:
        return Judged(UNGUARDED, finishing.train(finalist, outcomes), finalist), None
    if not isinstance(finishing.arena, DescribedArena):
        return guarding.judged(finalist, outcomes), None
    sealed = guarding.division.sealed
    assert sealed is not None
    found = judge_described(
        finalist.outcome,
        finishing.train(finalist, outcomes),
        outcomes,
        finishing.arms,
        finishing.registry,
        finishing.arena,
        sealed,
        finishing.chosen,
        guarding.deadline,
    )
    return Judged(found.verdict, found.kept, finalist), found.described


def _unsaid(skipped: Iterable[Skipped], told: Iterable[Skipped]) -> list[Skipped]:
    """Return what was skipped for other reasons than those that are told of the source."""
    known = {(item.source, item.reason) for item in told}
    return [item for item in skipped if (item.source, item.reason) not in known]


def _check_same_problem(
    study: Study, division: Division, chosen: Options, table: Attributes | None
) -> None:
    """Refuse to resume a study on other pictures or with another score."""
    problem = [division.images.fingerprint, chosen.metric, chosen.seed, *table_fingerprint(table)]
    before = study.recall("problem")
    if before is None:
        study.remember("problem", problem)
    elif before != problem:
        raise InvalidOptionError(
            "this study was begun with other pictures, another metric or another seed; resume it "
            "with the same ones, or choose another --name"
        )


def _unseen(
    images: ImageSet | None, division: Division, opened: Target, kind: str
) -> ImageSet | None:
    """Return the further pictures that are none of those the target is tested on."""
    if images is None:
        return None
    parts = (division.images, division.sealed, opened.validation)
    ours = {digest for part in parts if part is not None for digest in part.digests}
    kept = [i for i, digest in enumerate(images.digests) if digest not in ours]
    if not kept:
        raise InvalidTargetError(
            f"all {len(images)} {kind} pictures are pictures of the target as well; give others"
        )
    if len(kept) < len(images):
        warnings.warn(
            f"{len(images) - len(kept)} {kind} picture(s) are also among those that test "
            "the target, and were left out",
            DataWarning,
            stacklevel=4,
        )
    return images.subset(kept)


def _search(
    study: Study,
    competing: Candidates,
    arena: Arena,
    place: Place,
    tracker: Tracker,
    budget: Budget,
    clock: Clock,
    chosen: Options,
    earlier: Earlier,
) -> list[Outcome]:
    held_back = GUARD_SHARE * (clock.seconds or 0.0)
    limits = SearchLimits(
        budget.trials,
        clock.deadline(1 - GUARD_SHARE),
        began=clock.began,
        reserve=refit_reserve(arena, held_back),
    )
    return Searching(
        study,
        competing.arms,
        arena,
        place,
        tracker,
        limits,
        ResultLimits(chosen.max_mb, chosen.max_ms, arena.readers, arena.images),
        open_executor(
            arena,
            name=chosen.executor,
            workers=chosen.workers,
            ray_address=chosen.ray_address,
            plugins=chosen.plugins,
            memory_bytes=memory_of(chosen),
        ),
        chosen,
        earlier.points,
        competing.obvious,
    ).run()


def _earlier(study: Study, division: Division, place: Place, chosen: Options) -> Earlier:
    """Note what this fit learns from; return the first points of earlier ones, if wanted."""
    study.remember(SEEN, packed_digests(division.images.digests))
    if not chosen.warm_start:
        return Earlier((), ())
    studies = load_studies(storage=chosen.storage, workspace=place.workspace)
    tested = division.images if division.sealed is None else division.sealed
    found = earlier_fits(studies, tested.digests, metric=chosen.metric, without=place.name)
    chosen.say(found.sentence())
    return found


def _nothing_finished(outcomes: Sequence[Outcome]) -> str:
    reasons = dict.fromkeys(o.reason for o in outcomes if o.reason)
    return "not one trial finished within the budget" + "".join(f"\n  {r}" for r in reasons)
