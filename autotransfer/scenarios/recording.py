"""What a fit leaves behind: its record, the saved selection and the runs in MLflow."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from autotransfer.data.target import Target
from autotransfer.errors import NegativeTransferWarning
from autotransfer.models.catalogue import Sources
from autotransfer.models.features import FeatureReaders
from autotransfer.results import (
    Decision,
    Outcome,
    ParamValue,
    Ranking,
    Record,
    Setting,
    Skipped,
    Verdict,
)
from autotransfer.scenarios.clock import Clock
from autotransfer.scenarios.labelled_report import Gather, with_report
from autotransfer.scenarios.options import Budget, Options
from autotransfer.search.arms import Arms
from autotransfer.search.run_folder import Place
from autotransfer.search.study import Study
from autotransfer.selection.selection import Selection
from autotransfer.tracking import OFF, Tracker
from autotransfer.tracking.sync import TrackingPlan


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
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


def start_tracking(
    study: Study, place: Place, opened: Target, arms: Arms, chosen: Options, budget: Budget
) -> Tracker:
    """Return the tracker of a fit with target labels, its parent run begun or resumed."""
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
    return track(study, place, chosen, params, opened.train.fingerprint)


def track(
    study: Study,
    place: Place,
    chosen: Options,
    params: dict[str, ParamValue],
    fingerprint: str,
) -> Tracker:
    """Return the tracker of any fit; how its run is opened is kept, so that `sync` can do it.

    Args:
        study: Knows the run of an earlier invocation.
        place: Names the run.
        chosen: Where to write.
        params: Parameters of the run.
        fingerprint: Hash of the pictures.
    """
    tracker = Tracker(chosen.tracking_uri, chosen.experiment, place.workspace)
    if chosen.tracking_uri == OFF:
        return tracker
    run_id = study.recall("run_id")
    if run_id is not None and tracker.resume(run_id):
        return tracker
    tags = {"target.fingerprint": fingerprint}
    plan = TrackingPlan(
        chosen.tracking_uri,
        chosen.experiment,
        str(place.folder.resolve()),
        params,
        tags,
        chosen.register,
    )
    plan.keep(study)
    study.remember("run_id", tracker.start(place.name, params=params, tags=tags))
    return tracker


def record_of(
    study: Study,
    place: Place,
    chosen: Options,
    opened: Target,
    verdict: Verdict,
    finalist: Outcome,
    ranking: Ranking,
    outcomes: Sequence[Outcome],
    skipped: Sequence[Skipped],
    clock: Clock,
    readers: FeatureReaders,
    caught: Sequence[str],
    sources: Sources,
) -> Record:
    """Return the record; a negative verdict warns."""
    source = next(s for s in sources.sources if s.name == finalist.source)
    if verdict.decision is Decision.NEGATIVE:
        warnings.warn(verdict.sentence, NegativeTransferWarning, stacklevel=4)
    return Record(
        name=place.name,
        setting=str(Setting.LABELLED),
        metric=chosen.metric,
        class_names=opened.class_names,
        seed=chosen.seed,
        verdict=verdict,
        finalist=finalist,
        ranking=ranking,
        outcomes=tuple(outcomes),
        skipped=tuple(skipped),
        seconds=clock.seconds_of(readers),
        model=str(place.folder),
        warnings=(*opened.notes, *dict.fromkeys(caught)),
        forced=study.forced,
        provenance={
            "target": opened.train.fingerprint,
            "source": source.fingerprint,
            "source.license": source.license,
            "source.origin": source.origin,
            "source.pretrained_on": source.pretrained_on,
        },
    )


def closed(
    selection: Selection,
    place: Place,
    tracker: Tracker,
    study: Study,
    chosen: Options,
    gather: Gather,
    deadline: float | None,
) -> Selection:
    """Save a selection and write its report, then mirror both to MLflow.

    `gather` returns what the report is made from; `deadline` is when it has to be there.
    """
    selection = replace(selection, record=replace(selection.record, run_id=tracker.run_id))
    selection.save(place.folder)
    selection = with_report(selection, place.folder, gather, deadline)
    tracker.finish(selection.record, place.folder, register=chosen.register)
    study.remember("run_id", tracker.run_id)  # it exists only now where MLflow was away before
    chosen.say(selection.verdict.sentence)
    return selection
