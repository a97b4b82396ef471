"""The tracker: what happens in a fit, mirrored to MLflow as it happens.

The study and the selection folder are the truth; MLflow is a projection of them. Nothing is read
back during a fit, and a store that cannot be written never stops one: the tracker warns once,
waits a while before it tries again, and at the end writes everything that is missing. One that is
slow gets a twentieth of the time.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from pydantic import TypeAdapter

from autotransfer.errors import TrackingWarning
from autotransfer.masking import masked_url
from autotransfer.results import REPORT_FILE, Outcome, Record, State
from autotransfer.tracking import projection
from autotransfer.tracking.logged_model import write_model
from autotransfer.tracking.note import note
from autotransfer.tracking.provenance import datasets_of
from autotransfer.tracking.registered import register
from autotransfer.tracking.registration import Registration
from autotransfer.tracking.serving_folder import write_serving_folder
from autotransfer.tracking.store import VIEW, Store, patience, runs_page

RETRY_SECONDS = 60.0  # without another try after a failure: a dead server must not cost a search
MAX_CHILDREN = 50_000
SLOW_SECONDS = 5.0  # from here on, writing is held to a share of the time
LARGEST_SHARE = 0.05  # of the time, for a store that is slow; what waits comes along later

_RECORDS = TypeAdapter(Record)
T = TypeVar("T")


@dataclass(frozen=True)
class _Written:
    """A run that is in the store.

    Args:
        start_ms: When it started, milliseconds since 1970.
        complete: Whether everything about it was written.
    """

    run_id: str
    start_ms: int
    complete: bool


class Tracker:
    """Writes the records of one fit to MLflow; used by one thread.

    Args:
        uri: Tracking URI; None is `MLFLOW_TRACKING_URI`, or SQLite in the workspace.
        experiment: Name of the experiment; made where it is not there.
        workspace: Folder of the embedded store and of its artifacts.
        reopen: Whether a run that has ended runs again, until it is ended here.
    """

    def __init__(
        self, uri: str | None, experiment: str, workspace: Path, *, reopen: bool = True
    ) -> None:
        self._reopen = reopen
        self.run_id: str | None = None
        self._store = Store(uri, experiment, workspace)
        self._opening: tuple[str, dict[str, str], dict[str, str]] | None = None
        self._experiment_id = ""
        self._metric = "score"
        self._target = "target"
        self._parent: _Written | None = None
        self._children: dict[int, _Written] = {}
        self._waiting: dict[int, Outcome] = {}
        self._retry_at, self._pause = 0.0, RETRY_SECONDS
        self._warned = self._ended = False
        self._finished_ms = 0  # of run and model, so that a figure is one point

    @property
    def uri(self) -> str:
        """Return where the records go, without its secrets."""
        return masked_url(self._store.uri)

    @property
    def reached(self) -> bool:
        """Return whether the parent run was found or made, and no trial waits."""
        return self._parent is not None and not self._waiting

    @property
    def page(self) -> str | None:
        """Return where MLflow lists the trials, after host and port; None before it has any."""
        return None if self._parent is None else runs_page(self._experiment_id)

    def start(
        self, name: str, *, params: Mapping[str, object], tags: Mapping[str, str]
    ) -> str | None:
        """Open the parent run.

        Args:
            name: Name of the fit.
            params: What the user asked for; `metric` names the score of the trials.
            tags: What the target is.

        Returns:
            The id of the run; None where the store cannot be written. Then the run is opened
            later, and `run_id` has it from then on.
        """
        self._opening = name, projection.texts(params), projection.texts(tags)
        self._attempt(self._connected)
        return self.run_id

    def resume(self, run_id: str) -> bool:
        """Continue the parent run of a resumed study.

        Returns:
            False where the store answers that it has no such run; then `start` another one.
        """
        self.run_id = run_id
        found = self._attempt(self._connected) is not False
        if not found:
            self.run_id = None
            why = "it was deleted, or the study was tracked somewhere else"
            told = f"MLflow at {self.uri} has no run {run_id}; {why}"
            warnings.warn(told, TrackingWarning, stacklevel=2)
        return found

    def write(self, outcome: Outcome) -> None:
        """Write one trial as a child run; writing it again changes nothing.

        Probes are no trials, and cost less than a run of their own: they are a table at the end.
        What could not be written before comes along.
        """
        if outcome.probe:
            return
        self._waiting.setdefault(outcome.number, outcome)
        self._attempt(self._write_waiting)

    def finish(
        self, record: Record, selection: Path | None, *, registration: Registration | None = None
    ) -> str:
        """Write all that the fit found, and every trial that is missing; end the run.

        Args:
            record: What was found.
            selection: Folder of the saved selection, logged as a model that MLflow can serve;
                None logs none.
            registration: How that model is registered; None registers nothing.

        Returns:
            Who is the champion now and why; empty where nothing was registered.
        """
        told: str | None = ""
        self._finished_ms = int(time.time() * 1000)
        if not self._attempt(lambda: self._write_record(record), insist=True):
            return ""
        if selection is not None:
            told = self._attempt(
                lambda: self._write_selection(record, selection, registration), insist=True
            )
        self._attempt(lambda: self._end("FINISHED"), insist=True)
        return told or ""

    def fail(self, reason: str) -> None:
        """End the parent run as failed, unless it has ended."""
        if not self._ended:
            self._attempt(lambda: self._end("FAILED", reason), insist=True)

    def stop(self) -> None:
        """End the parent run as killed, unless it has ended: the user has interrupted the fit."""
        if not self._ended:
            self._attempt(lambda: self._end("KILLED", "interrupted"), insist=True)

    def _attempt(self, action: Callable[[], T], *, insist: bool = False) -> T | None:
        """Return what the action returns; None where the store failed or is left alone."""
        if self.run_id is None and self._opening is None:
            return None
        if not insist and time.monotonic() < self._retry_at:
            return None
        began = time.monotonic()
        try:
            with patience():
                found = action()
        except Exception as error:  # noqa: BLE001 - a third party's code
            self._retry_at = time.monotonic() + self._pause
            self._pause *= 2
            self._warn(error)
            return None
        took = time.monotonic() - began
        if took > SLOW_SECONDS and not insist:
            self._retry_at = time.monotonic() + took / LARGEST_SHARE
        return found

    def _warn(self, error: Exception) -> None:
        if self._warned:
            return
        self._warned = True
        reason = projection.one_line(f"{type(error).__name__}: {error}", 300)
        warnings.warn(
            f"MLflow at {self.uri} cannot be written ({reason}); the fit goes on, its records "
            "are safe in the study and in the output folder, and what is missing in MLflow is "
            "written at the end if it can be",
            TrackingWarning,
            stacklevel=4,
        )

    def _connected(self) -> bool:
        """Open or find the parent run, once; return False where it is not in the store."""
        if self._parent is not None:
            return True
        if self._opening is not None:
            name, params, tags = self._opening
            if self.run_id is None:
                place, tags = self._store.experiment_id(), {**projection.SOURCE_TAGS, **tags}
                run = self._begun(place, tags) or self._store.client.create_run(
                    place, tags=tags, run_name=name
                )
                self.run_id = str(run.info.run_id)
            self._store.log(self.run_id, params=params)
        return self._find()

    def _begun(self, experiment_id: str, tags: Mapping[str, str]) -> Run | None:
        """Return the run that the same fit made before it was killed, and could not note."""
        if projection.FIT_TAG not in tags:
            return None
        named = f"tags.`{projection.FIT_TAG}` = '{tags[projection.FIT_TAG]}'"
        found = self._store.client.search_runs([experiment_id], named, max_results=1)
        return found[0] if found else None

    def _find(self) -> bool:
        """Read the parent run and which trials it has."""
        client = self._store.client
        try:
            run = client.get_run(self.run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        if run.info.lifecycle_stage != "active":
            return False
        self._experiment_id = run.info.experiment_id
        self._metric = run.data.params.get("metric", self._metric)
        self._target = run.data.params.get("target", self._target)
        if self._reopen:
            client.update_run(self.run_id, status="RUNNING")
        with suppress(MlflowException):  # only looks; some may write runs but not experiments
            view = projection.view_state(self._metric)
            client.set_experiment_tag(self._experiment_id, f"mlflow.sharedViewState.{VIEW}", view)
        children = client.search_runs(
            [self._experiment_id],
            f"tags.`{projection.PARENT_TAG}` = '{self.run_id}'",
            max_results=MAX_CHILDREN,
        )
        for child in children:
            number = child.data.tags.get(projection.NUMBER_TAG)
            if number is not None:
                self._children[int(number)] = _written(child)
        self._parent = _written(run)
        return True

    def _write_waiting(self) -> None:
        for number, outcome in list(self._waiting.items()):
            self._write(outcome)
            del self._waiting[number]

    def _write(self, outcome: Outcome) -> None:
        if not self._connected():
            return
        child = self._children.get(outcome.number) or self._create_child(outcome)
        if child.complete:
            return
        client = self._store.client
        self._store.log(
            child.run_id,
            params=projection.outcome_params(outcome),
            figures=projection.outcome_figures(outcome, self._metric),
            tags=projection.outcome_tags(outcome, str(self.run_id)),
        )
        if outcome.error:
            client.log_text(child.run_id, outcome.error, "error.txt")
        end_ms = child.start_ms + int(outcome.seconds * 1000)
        # pruned is a good end, and KILLED would look like a failure
        status = "FAILED" if outcome.state is State.FAILED else "FINISHED"
        client.set_terminated(child.run_id, status, end_ms)
        self._children[outcome.number] = _Written(child.run_id, child.start_ms, complete=True)

    def _create_child(self, outcome: Outcome) -> _Written:
        start_ms = int((time.time() - outcome.seconds) * 1000)
        run = self._store.client.create_run(
            self._experiment_id,
            start_time=start_ms,
            tags=projection.outcome_tags(outcome, str(self.run_id)),
            run_name=projection.run_name(outcome),
        )
        child = _Written(run.info.run_id, start_ms, complete=False)
        self._children[outcome.number] = child
        return child

    def _write_record(self, record: Record) -> bool:
        if not self._connected() or self._parent is None:
            return False
        for outcome in record.outcomes:
            if not outcome.probe:
                self._write(outcome)
                self._waiting.pop(outcome.number, None)
        client, parent, curve = self._store.client, self._parent, projection.best_so_far(record)
        self._store.log(parent.run_id, figures=curve, start_ms=parent.start_ms)
        tags = {**projection.record_tags(record), "mlflow.note.content": note(record)}
        figures, at_ms = projection.record_figures(record), self._finished_ms
        self._store.log(parent.run_id, figures=figures, tags=tags, start_ms=at_ms)
        client.log_text(parent.run_id, projection.ranking_csv(record.ranking), "ranking.csv")
        table = projection.probes_csv(record.outcomes, record.metric)
        client.log_text(parent.run_id, table, "probes.csv")
        text = _RECORDS.dump_json(record, indent=2).decode()
        client.log_text(parent.run_id, text, "selection.json")
        client.log_inputs(parent.run_id, datasets_of(record, self._target))
        return True

    def _write_selection(
        self, record: Record, selection: Path, registration: Registration | None
    ) -> str:
        if (selection / REPORT_FILE).is_file():
            self._store.client.log_artifact(self.run_id, str(selection / REPORT_FILE))
        with tempfile.TemporaryDirectory() as temporary:
            folder = write_serving_folder(selection, Path(temporary), record.class_names)
            client, run_id, at_ms = self._store.client, str(self.run_id), self._finished_ms
            written = write_model(client, run_id, folder, record, self._target, at_ms=at_ms)
        if registration is None:
            return ""
        told = register(client, registration, written, run_id)
        self._store.log(run_id, tags={"registered": told})
        return told

    def _end(self, status: str, reason: str = "") -> None:
        if not self._connected():
            return
        if reason:
            self._store.log(str(self.run_id), tags={"reason": projection.one_line(reason)})
        self._store.client.set_terminated(self.run_id, status)
        self._ended = True


def _written(run: Run) -> _Written:
    return _Written(run.info.run_id, run.info.start_time, complete=run.info.status != "RUNNING")
