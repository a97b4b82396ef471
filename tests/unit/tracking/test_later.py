"""A tracker that opens MLflow late: nothing is lost, and a quick fit does not wait for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autotransfer.results import Outcome, State
from autotransfer.tracking import tracker as module
from autotransfer.tracking.later import WAIT_SECONDS, LaterTracker

TRIALS = [Outcome(n, "net", "fine-tune", {}, State.COMPLETE, value=0.5) for n in range(3)]
PROBE = Outcome(-1, "net", "default-probe", {}, State.COMPLETE, value=0.5)


class _Store:
    """Stands for a tracker: what was done, in order."""

    done: list[Any]
    run_id = None

    def __init__(self, *_: Any, **__: Any) -> None:
        self.done.append("made")

    def start(self, name: str, **_: Any) -> str:
        self.done.append(f"start {name}")
        self.run_id = "r1"
        return self.run_id

    def resume(self, run_id: str) -> bool:
        self.run_id = run_id
        return True

    def write(self, outcome: Outcome) -> None:
        self.done.append(outcome.number)

    def finish(self, _record: Any, _selection: Any, **_: Any) -> str:
        self.done.append("finish")
        return "registered"

    def fail(self, reason: str) -> None:
        self.done.append(reason)

    def stop(self) -> None:
        self.done.append("stop")


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what was done to the store."""
    found: list[Any] = []
    monkeypatch.setattr(_Store, "done", found, raising=False)
    monkeypatch.setattr(module, "Tracker", _Store)
    return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Return the time, to be set."""
    time = {"now": 100.0}
    monkeypatch.setattr("autotransfer.tracking.later.time.monotonic", lambda: time["now"])
    return time


def test_trials_of_the_first_half_minute_come_with_the_first_one_after_it(
    tmp_path: Path, done: list[Any], clock: dict[str, float]
) -> None:
    kept: list[str | None] = []
    tracker = LaterTracker("sqlite:///mine.db", "e", tmp_path, kept.append)
    tracker.start("fit", params={}, tags={})
    for outcome in (PROBE, *TRIALS[:2]):
        tracker.write(outcome)
    assert (done, tracker.run_id, kept) == ([], None, [])
    clock["now"] += WAIT_SECONDS
    tracker.write(PROBE)
    assert done == ["made", "start fit", 0, 1]
    tracker.write(TRIALS[2])
    assert done[4:] == [2]
    assert (tracker.run_id, kept) == ("r1", ["r1"])


@pytest.mark.usefixtures("clock")
def test_a_quick_fit_opens_its_run_for_the_record_and_leaves_the_trials_to_it(
    tmp_path: Path, done: list[Any]
) -> None:
    tracker = LaterTracker(None, "e", tmp_path)
    tracker.start("fit", params={}, tags={})
    tracker.write(TRIALS[0])
    assert tracker.open() == "r1"
    record: Any = None  # it has every outcome
    assert tracker.finish(record, None) == "registered"
    assert done == ["made", "start fit", "finish"]


def test_what_was_never_started_opens_nothing(tmp_path: Path, done: list[Any]) -> None:
    tracker = LaterTracker("off", "e", tmp_path)
    tracker.write(TRIALS[0])
    tracker.fail("no source is left")
    tracker.stop()
    record: Any = None
    assert (tracker.open(), tracker.finish(record, None), done) == (None, "", [])


def test_a_resumed_run_is_looked_for_at_once_and_a_fit_that_fails_is_told(
    tmp_path: Path, done: list[Any]
) -> None:
    tracker = LaterTracker(None, "e", tmp_path)
    assert tracker.resume("r0")
    tracker.write(TRIALS[0])
    tracker.fail("why")
    assert (done, tracker.run_id) == (["made", 0, "why"], "r0")
