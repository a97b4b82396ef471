"""A tracker that opens MLflow when there is something to write, as importing it takes seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from autotransfer.masking import masked_url, note_secrets
from autotransfer.results import Outcome, Record
from autotransfer.tracking.places import store_uri
from autotransfer.tracking.registration import Registration

if TYPE_CHECKING:
    from autotransfer.tracking.tracker import Tracker


WAIT_SECONDS = 30.0  # a fit that has its verdict before opens the run afterwards


class LaterTracker:
    """Writes as a `Tracker` does: the run is opened after half a minute, or for the verdict.

    Args:
        uri: As of `Tracker`.
        experiment: As of `Tracker`.
        workspace: As of `Tracker`.
        opened: Told the id of the run; None where the store could not be written.
    """

    def __init__(
        self,
        uri: str | None,
        experiment: str,
        workspace: Path,
        opened: Callable[[str | None], None] = lambda _run_id: None,
    ) -> None:
        self._uri = store_uri(uri, workspace)
        note_secrets(self._uri)
        self._experiment, self._workspace, self._told = experiment, workspace, opened
        self._opening: tuple[str, Mapping[str, object], Mapping[str, str]] | None = None
        self._tracker: Tracker | None = None
        self._due = 0.0  # `time.monotonic()` from which trials are written as they come
        self._waiting: list[Outcome] = []

    @property
    def uri(self) -> str:
        """Return where the records go, without its secrets."""
        return masked_url(self._uri)

    @property
    def run_id(self) -> str | None:
        """Return the id of the run; None before it is opened."""
        return None if self._tracker is None else self._tracker.run_id

    def start(self, name: str, *, params: Mapping[str, object], tags: Mapping[str, str]) -> None:
        """Say how the run is to be opened; see `Tracker.start`."""
        self._opening = name, params, tags
        self._due = time.monotonic() + WAIT_SECONDS

    def resume(self, run_id: str) -> bool:
        """Continue the run of a resumed study; see `Tracker.resume`."""
        return self._made().resume(run_id)

    def open(self) -> str | None:
        """Open the run that was started; return its id, None where there is none."""
        self._opened()
        return self.run_id

    def write(self, outcome: Outcome) -> None:
        """Write one trial, and those that waited; probes are a table at the end."""
        self._waiting += [] if outcome.probe else [outcome]
        tracker = self._opened() if self._waiting and time.monotonic() >= self._due else None
        if tracker is not None:
            waiting, self._waiting = self._waiting, []
            for trial in waiting:
                tracker.write(trial)

    def finish(
        self, record: Record, selection: Path | None, *, registration: Registration | None = None
    ) -> str:
        """Write all that the fit found; see `Tracker.finish`."""
        tracker = self._opened()
        return (
            "" if tracker is None else tracker.finish(record, selection, registration=registration)
        )

    def fail(self, reason: str) -> None:
        """End the run as failed, if it was started."""
        if (tracker := self._opened()) is not None:
            tracker.fail(reason)

    def stop(self) -> None:
        """End the run as killed, if it was started."""
        if (tracker := self._opened()) is not None:
            tracker.stop()

    def _opened(self) -> Tracker | None:
        """Return the tracker with its run opened; None where no run was started or resumed."""
        if self._tracker is None and self._opening is None:
            return None
        tracker = self._made()
        if self._opening is not None:
            (name, params, tags), self._opening = self._opening, None
            self._told(tracker.start(name, params=params, tags=tags))
        return tracker

    def _made(self) -> Tracker:
        from autotransfer.tracking.tracker import Tracker

        if self._tracker is None:
            self._tracker = Tracker(self._uri, self._experiment, self._workspace)
        return self._tracker
