"""`autotransfer sync`: write to MLflow what could not be written when it happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autotransfer.errors import InvalidOptionError
from autotransfer.results import RECORD_FILE, Record
from autotransfer.search.record_file import record_in
from autotransfer.search.run_folder import in_use
from autotransfer.search.study import Study, load_studies
from autotransfer.tracking.places import check_uri
from autotransfer.tracking.plan import INTERRUPTED, PLAN, TrackingPlan, tracking_uri_of
from autotransfer.tracking.tracker import Tracker

_RUN = "run_id"


@dataclass(frozen=True)
class Synced:
    """What became of one study.

    Args:
        trials: Number of trials that it has.
        run_id: The run; None where the store could not be written.
        finished: Whether the fit had ended, and its result was written as well. A fit that is
            running, or whose folder is not on this machine, has not.
        registered: Who is the champion now and why; empty where nothing was registered.
    """

    name: str
    trials: int
    run_id: str | None
    finished: bool
    registered: str = ""


def sync(
    names: Sequence[str] = (), *, storage: str | None = None, tracking_uri: str | None = None
) -> list[Synced]:
    """Write every study's trials and results to MLflow; what is there already stays as it is.

    Args:
        names: Of the studies; empty is all of them.
        storage: Optuna storage URL; None is SQLite in the working folder.
        tracking_uri: Where to write; None is where the fit wrote, or wanted to.

    Raises:
        InvalidOptionError: If there is no study of that name, or none at all, or its store has a
            password and is not named again.
    """
    if tracking_uri is not None:
        check_uri(tracking_uri)
    studies = load_studies(storage=storage, workspace=Path.cwd())
    unknown = [name for name in names if name not in studies]
    if unknown or not studies:
        known = ", ".join(studies) or "none"
        raise InvalidOptionError(f"no study named {', '.join(unknown) or 'anything'}: {known}")
    return [
        _synced(name, study, tracking_uri)
        for name, study in studies.items()
        if (not names or name in names) and study.recall(PLAN) is not None
    ]


def _synced(name: str, study: Study, uri: str | None) -> Synced:
    plan = TrackingPlan(**study.recall(PLAN))
    folder = Path(plan.folder)
    ended = folder.is_dir() and not in_use(folder)  # another machine may run it elsewhere
    record = _record(folder) if ended else None
    tracker = Tracker(tracking_uri_of(study, uri), plan.experiment, Path.cwd(), reopen=False)
    known = study.recall(_RUN)
    if known is None or not tracker.resume(known):
        tracker.start(name, params=plan.params, tags=plan.tags)
    trials = [outcome for outcome in study.outcomes if not outcome.probe]
    for outcome in trials:
        tracker.write(outcome)
    registered = ""
    if record is not None:
        registration = None if study.recall(INTERRUPTED) else plan.registration
        registered = tracker.finish(record, folder, registration=registration)
    elif ended:
        tracker.stop()
    if tracker.run_id is not None:
        study.remember(_RUN, tracker.run_id)
    written = tracker.run_id if tracker.reached else None
    return Synced(name, len(trials), written, record is not None, registered)


def _record(folder: Path) -> Record | None:
    """Return the result of a fit, or None where it has not ended."""
    try:
        return record_in(folder / RECORD_FILE)
    except (OSError, ValueError):
        return None
