"""`fit` and `rank`: the sequence of a fit, read from top to bottom."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pydantic import TypeAdapter

from autotransfer.catalogue import Sources
from autotransfer.data.image_set import ImageSet
from autotransfer.data.splitting import make_folds
from autotransfer.data.target import Target
from autotransfer.errors import (
    BudgetExhaustedError,
    DataWarning,
    InvalidOptionError,
    NegativeTransferWarning,
)
from autotransfer.evaluation.metrics import Metric, metric_named
from autotransfer.features import FeatureReaders
from autotransfer.finishing import Finishing
from autotransfer.guard.baseline_cache import BaselineCache
from autotransfer.guard.judging import Judgement, guard
from autotransfer.matrices import Matrices
from autotransfer.options import Options, budget_of, read_options
from autotransfer.preparing import (
    Division,
    Problem,
    choose_preset,
    choose_sources,
    discover_plugins,
    divide,
    make_readers,
    open_labelled,
    problem_of_matrices,
    problem_of_pictures,
)
from autotransfer.presets import Preset
from autotransfer.problem import Budget, ParamValue, Setting, Source
from autotransfer.ranking import DEFAULT_ESTIMATORS, Consensus, rank_sources
from autotransfer.ranking.memory import mean_places, record_places
from autotransfer.registry import Registry
from autotransfer.results import Decision, Outcome, Ranking, Record, Seconds, Skipped
from autotransfer.saved_predictor import Kept
from autotransfer.search.arms import Arms, Terms, arms_of
from autotransfer.search.driver import SearchLimits, search
from autotransfer.search.study import STORAGE_FILE, Study, open_study
from autotransfer.search.trial import Arena, TrialResult
from autotransfer.selection import Selection
from autotransfer.tracking import Tracker
from autotransfer.unlabelled.fitting import fit_unlabelled
from autotransfer.unlabelled.setting import setting_of
from autotransfer.workspace import Place, claim

RANK_SHARE = 0.25  # of the seconds, at most
GUARD_SHARE = 0.3  # of the seconds, held back from the search
CLOSING_SHARE = 0.05  # of the seconds, for saving and MLflow

_RANKINGS = TypeAdapter(Ranking)


def fit(target: Any, **options: Any) -> Selection:
    """Return what to transfer to the target, how, and whether it helped.

    Args:
        target: A folder of class folders, an archive of one, a manifest, an `.npz`, an fsspec
            URL of these, `(X, y)`, or an `ImageSet`.
        **options: The fields of `Options`.

    Returns:
        The selection, saved in its folder already.

    Raises:
        AutotransferError: If the target, a source or an option cannot be used; the message says
            what to do. `BudgetExhaustedError` if not one trial could finish.
    """
    began = time.monotonic()
    chosen = read_options(options)
    with _collected_warnings() as caught:
        registry = discover_plugins(chosen)
        if setting_of(target, chosen) is Setting.UNLABELLED:
            if chosen.unlabelled is not None:
                raise InvalidOptionError(
                    "the target itself has no labels; unlabelled is for pictures beside labelled "
                    "ones: put them all into the target"
                )
            return fit_unlabelled(target, chosen, registry, began, caught)
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
    with _collected_warnings() as caught:
        registry = discover_plugins(chosen)
        train = Matrices.of(features, y)
        sealed = None if test is None else Matrices.of(*test, train.class_names)
        problem = problem_of_matrices(train, sealed, baseline, chosen)
        return _fit(problem, chosen, registry, began, caught)


def rank(
    target: Any,
    *,
    estimators: Sequence[str] = (),
    racing: bool = True,
    **options: Any,
) -> tuple[Ranking, list[Skipped]]:
    """Return the ranking of the sources for a labelled target, without any training.

    Args:
        target: As for `fit`.
        estimators: Names of the scores of the consensus; empty for the default ones with what
            is known of the sources beforehand.
        racing: Whether sources without a chance see no more than the first pictures.
        **options: The fields of `Options` that concern target, sources and device.

    Raises:
        AutotransferError: As for `fit`.
    """
    chosen = read_options(options)
    registry = discover_plugins(chosen)
    for name in estimators:
        registry.estimator(name)
    opened = open_labelled(target, chosen)
    sources = choose_sources(chosen, registry, opened)
    division = divide(opened)
    ranking, skipped = rank_sources(
        sources.sources,
        division.images,
        make_readers(chosen),
        _consensus(registry, division, Path.cwd(), estimators),
        seed=chosen.seed,
        max_sources=chosen.max_sources,
        racing=racing,
    )
    return ranking, [*sources.skipped, *skipped]


def _fit(
    problem: Problem, chosen: Options, registry: Registry, began: float, caught: list[str]
) -> Selection:
    budget, metric = budget_of(chosen), metric_named(chosen.metric)
    preset = choose_preset(chosen, registry)
    opened, sources, readers = problem.target, problem.sources, problem.readers
    division = divide(opened)
    clock = _Clock(began, budget.seconds)
    with claim(
        opened.name, chosen.name, chosen.out, chosen.storage, resume=chosen.resume
    ) as place:
        study = open_study(
            place.name,
            storage=chosen.storage,
            workspace=place.workspace,
            sampler=chosen.sampler,
            seed=chosen.seed,
            resume=chosen.resume,
        )
        _check_same_problem(study, division, chosen)
        ranking, unranked = _ranking(
            study, sources, division, readers, registry, chosen, clock, place
        )
        clock.mark("rank")
        chosen.say(_shortlist_line(ranking))
        shortlist = [_named(sources.sources, name) for name in ranking.shortlist]
        arms, unfit = arms_of(
            shortlist,
            _strategies(chosen, registry, preset),
            preset,
            _terms(division, problem, chosen),
        )
        skipped = [*sources.skipped, *unranked, *_left_out(ranking), *unfit]
        folds = make_folds(division.images, seed=chosen.seed, groups=division.groups)
        arena = Arena(
            division.images,
            folds,
            opened.validation,
            readers,
            metric,
            _unseen(problem.source_images, division, opened, "source"),
            tuple(shortlist),
            problem.baselines,
            problem.baseline_source,
            _unseen(problem.unlabelled, division, opened, "unlabelled"),
        )
        tracker = _start_tracking(study, place, opened, arms, chosen, budget)
        outcomes = _search(study, arms, arena, place, tracker, budget, clock, chosen)
        clock.mark("search")
        record_places(
            place.workspace / STORAGE_FILE, division.images.fingerprint, arms.sources, outcomes
        )
        ending = Finishing(
            arms, arena, place, registry, chosen, clock.deadline(1 - GUARD_SHARE / 2)
        )
        found = ending.finalist(outcomes)
        if found is None:
            tracker.fail("no trial finished")
            raise BudgetExhaustedError(_nothing_finished(outcomes))
        finalist, kept = found
        judgement = guard(
            kept,
            arena,
            division.sealed,
            sources.sources[0],
            BaselineCache(registry),
            margin=chosen.margin,
            seed=chosen.seed,
            deadline=clock.deadline(1 - CLOSING_SHARE),
            say=chosen.say,
        )
        clock.mark("guard")
        record = _record(
            place,
            chosen,
            opened,
            judgement,
            finalist,
            ranking,
            outcomes,
            skipped,
            clock,
            readers,
            caught,
            sources,
        )
        return _closed(record, judgement, place, tracker, study, chosen, readers)


class _Clock:
    """The time of a fit, divided."""

    def __init__(self, began: float, seconds: float | None) -> None:
        self.began, self.seconds = began, seconds
        self._last = time.monotonic()
        self.parts: dict[str, float] = {}

    def deadline(self, share: float) -> float | None:
        """Return the monotonic time at which a share of all seconds is spent."""
        return None if self.seconds is None else self.began + share * self.seconds

    def mark(self, part: str) -> None:
        """Book the time since the last mark."""
        now = time.monotonic()
        self.parts[part] = now - self._last
        self._last = now

    def seconds_of(self, readers: FeatureReaders) -> Seconds:
        """Return the parts as a record."""
        total = time.monotonic() - self.began
        return Seconds(total=total, features=readers.seconds, **self.parts)


@contextmanager
def _collected_warnings() -> Iterator[list[str]]:
    """Yield a list that is filled with the texts of warnings; they are raised on as well."""
    texts: list[str] = []
    show = warnings.showwarning

    def note(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if category.__module__.startswith("autotransfer"):
            texts.append(str(message))
        show(message, category, *rest, **more)

    with warnings.catch_warnings():
        warnings.showwarning = note
        try:
            yield texts
        finally:
            warnings.showwarning = show


def _check_same_problem(study: Study, division: Division, chosen: Options) -> None:
    """Refuse to resume a study on other pictures or with another score."""
    problem = [division.images.fingerprint, chosen.metric, chosen.seed]
    before = study.recall("problem")
    if before is None:
        study.remember("problem", problem)
    elif before != problem:
        raise InvalidOptionError(
            "this study was begun with other pictures, another metric or another seed; resume it "
            "with the same ones, or choose another --name"
        )


def _ranking(
    study: Study,
    sources: Sources,
    division: Division,
    readers: FeatureReaders,
    registry: Registry,
    chosen: Options,
    clock: _Clock,
    place: Place,
) -> tuple[Ranking, list[Skipped]]:
    stored = study.recall("ranking")
    if stored is not None:
        return _RANKINGS.validate_python(stored["ranking"]), [
            Skipped(**item) for item in stored["skipped"]
        ]
    chosen.say(f"ranking {len(sources.sources)} sources on {len(division.images)} pictures")
    seconds = None
    if clock.seconds is not None:
        seconds = clock.began + RANK_SHARE * clock.seconds - time.monotonic()
    ranking, skipped = rank_sources(
        sources.sources,
        division.images,
        readers,
        _consensus(registry, division, place.workspace),
        seed=chosen.seed,
        max_sources=chosen.max_sources,
        seconds=seconds,
    )
    study.remember(
        "ranking",
        {
            "ranking": _RANKINGS.dump_python(ranking, mode="json"),
            "skipped": [vars(item) for item in skipped],
        },
    )
    return ranking, skipped


def _consensus(
    registry: Registry, division: Division, workspace: Path, names: Sequence[str] = ()
) -> Consensus:
    """Return what the order rests on; scores that the user names stand alone."""
    memory = mean_places(workspace / STORAGE_FILE, without=division.images.fingerprint)
    scores = [registry.estimator(name) for name in names or DEFAULT_ESTIMATORS]
    return Consensus(scores, memory, with_prior=not names)


def _strategies(chosen: Options, registry: Registry, preset: Preset) -> list[Any]:
    names: Iterable[str] = chosen.strategies or preset.strategies or registry.strategies
    return [registry.strategy(name) for name in dict.fromkeys(names)]


def _terms(division: Division, problem: Problem, chosen: Options) -> Terms:
    counts = np.bincount(division.images.labels, minlength=len(division.images.class_names))
    return Terms(
        num_images=len(division.images),
        num_classes=len(counts),
        per_class=float(np.median(counts)),
        source_images=problem.source_images is not None,
        has_head=lambda source: problem.readers[source].layout.num_source_classes > 0,
        named=tuple(chosen.strategies),
        pictures=problem.pictures,
        unlabelled=problem.unlabelled is not None,
    )


def _unseen(
    images: ImageSet | None, division: Division, opened: Target, kind: str
) -> ImageSet | None:
    """Return the further pictures that are none of those the target is tested on."""
    if images is None:
        return None
    tested = set(division.sealed.digests)
    tested |= set() if opened.validation is None else set(opened.validation.digests)
    kept = [i for i, digest in enumerate(images.digests) if digest not in tested]
    if len(kept) < len(images):
        warnings.warn(
            f"{len(images) - len(kept)} {kind} picture(s) are also among those that test "
            "the target, and were left out",
            DataWarning,
            stacklevel=4,
        )
    return images.subset(kept)


def _left_out(ranking: Ranking) -> list[Skipped]:
    return [
        Skipped(row.source, "*", f"rank {row.rank} of {len(ranking.rows)}: not in the shortlist")
        for row in ranking.rows
        if row.source not in ranking.shortlist
    ]


def _shortlist_line(ranking: Ranking) -> str:
    return "shortlist: " + ", ".join(ranking.shortlist)


def _start_tracking(
    study: Study, place: Place, opened: Target, arms: Arms, chosen: Options, budget: Budget
) -> Tracker:
    tracker = Tracker(chosen.tracking_uri, chosen.experiment, place.workspace)
    run_id = study.recall("run_id")
    if run_id is not None and tracker.resume(run_id):
        return tracker
    params: dict[str, ParamValue] = {
        "target": opened.name,
        "metric": chosen.metric,
        "space": chosen.space,
        "sampler": chosen.sampler,
        "seed": chosen.seed,
        "trials": budget.trials or "no limit",
        "seconds": budget.seconds or "no limit",
        "num_images": len(opened.train),
        "num_classes": len(opened.class_names),
        "shortlist": ", ".join(source.name for source in arms.sources),
    }
    tags = {"target.fingerprint": opened.train.fingerprint}
    study.remember("run_id", tracker.start(place.name, params=params, tags=tags))
    return tracker


def _search(
    study: Study,
    arms: Arms,
    arena: Arena,
    place: Place,
    tracker: Tracker,
    budget: Budget,
    clock: _Clock,
    chosen: Options,
) -> list[Outcome]:
    for outcome in study.outcomes:  # written again where an earlier driver was killed before
        tracker.write(outcome)

    def on_result(result: TrialResult) -> None:
        outcome, predictor = result.outcome, result.predictor
        if predictor is not None and outcome.value is not None:
            source = next(s for s in arms.sources if s.name == outcome.source)
            kept = Kept(predictor, outcome.strategy, baseline=False, source=source)
            place.keep(outcome, kept, result.validation)
        tracker.write(outcome)
        chosen.say(_outcome_line(outcome, arena.metric))

    limits = SearchLimits(budget.trials, clock.deadline(1 - GUARD_SHARE))
    return search(
        study,
        arms,
        arena,
        limits,
        seed=chosen.seed,
        on_result=on_result,
    )


def _outcome_line(outcome: Outcome, metric: Metric) -> str:
    value = "" if outcome.value is None else f" {metric.name} {metric.display(outcome.value):.3f}"
    reason = f" ({outcome.reason})" if outcome.reason else ""
    return (
        f"trial {outcome.number}: {outcome.source} | {outcome.strategy}: {outcome.state}{value} "
        f"in {outcome.seconds:.1f} s{reason}"
    )


def _record(
    place: Place,
    chosen: Options,
    opened: Target,
    judgement: Judgement,
    finalist: Outcome,
    ranking: Ranking,
    outcomes: Sequence[Outcome],
    skipped: Sequence[Skipped],
    clock: _Clock,
    readers: FeatureReaders,
    caught: Sequence[str],
    sources: Sources,
) -> Record:
    source = _named(sources.sources, finalist.source)
    if judgement.verdict.decision is Decision.NEGATIVE:
        warnings.warn(judgement.verdict.sentence, NegativeTransferWarning, stacklevel=4)
    return Record(
        name=place.name,
        setting=str(Setting.LABELLED),
        metric=chosen.metric,
        class_names=opened.class_names,
        seed=chosen.seed,
        verdict=judgement.verdict,
        finalist=finalist,
        ranking=ranking,
        outcomes=tuple(outcomes),
        skipped=tuple(skipped),
        seconds=clock.seconds_of(readers),
        model=str(place.folder),
        warnings=(*opened.notes, *dict.fromkeys(caught)),
        provenance={
            "target": opened.train.fingerprint,
            "source": source.fingerprint,
            "source.license": source.license,
            "source.origin": source.origin,
            "source.pretrained_on": source.pretrained_on,
        },
    )


def _closed(
    record: Record,
    judgement: Judgement,
    place: Place,
    tracker: Tracker,
    study: Study,
    chosen: Options,
    readers: FeatureReaders,
) -> Selection:
    """Save the selection, then mirror it to MLflow."""
    record = replace(record, run_id=tracker.run_id)
    selection = Selection(record, judgement.kept, readers.device)
    selection.save(place.folder)
    tracker.finish(record, place.folder)
    study.remember("run_id", tracker.run_id)  # it exists only now where MLflow was away before
    chosen.say(record.verdict.sentence)
    return selection


def _nothing_finished(outcomes: Sequence[Outcome]) -> str:
    reasons = dict.fromkeys(o.reason for o in outcomes if o.reason)
    return "not one trial finished within the budget" + "".join(f"\n  {r}" for r in reasons)


def _named(sources: Sequence[Source], name: str) -> Source:
    return next(source for source in sources if source.name == name)
