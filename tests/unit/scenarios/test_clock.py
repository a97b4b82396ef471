"""The time of a fit, on a clock that only moves when it is told to."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from autotransfer.scenarios import clock as module
from autotransfer.scenarios.clock import CLOSING_SECONDS, Clock


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The wall clock `now`; a thread works while it looks how much, for `load` seconds each."""
    found = SimpleNamespace(now=1000.0, worked=0.0, load=1.0)
    found.monotonic = lambda: found.now

    def thread_time() -> float:
        found.worked, found.now = found.worked + 0.0625, found.now + 0.0625 * found.load
        return float(found.worked)

    found.thread_time = thread_time
    monkeypatch.setattr(module, "time", found)
    return found


def test_what_opening_has_left_is_divided(time: SimpleNamespace) -> None:
    clock = Clock(960.0, 100.0)  # 40 of 100 seconds went by before the images were open
    assert clock.deadline(0.25) == 1015.0
    assert clock.deadline(1) == 1060.0
    assert Clock(800.0, 100.0).deadline(0.25) == 1000.0  # nothing is left


def test_closing_takes_a_share_and_on_a_busy_machine_what_it_takes_there(
    time: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(1000.0, 100.0)
    assert clock.closing() == 1095.0
    monkeypatch.setattr(module, "contention", lambda: 10.0)
    clock.mark("rank")
    assert clock.closing() == 1100.0 - 10 * CLOSING_SECONDS
    assert clock.closing(1.0) == 1100.0 - 10 * CLOSING_SECONDS - 10
    assert not clock.over
    time.now = 1085.0
    assert clock.over


def test_waiting_does_not_make_a_machine_busy(
    time: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAMPLED_WORK", 0.125)
    clock = Clock(1000.0, 100.0)
    time.now = 1020.0  # for a download, a GPU or other threads
    clock.mark("rank")
    assert clock.slowness == 1.0
    time.load = 8.0
    clock.mark("rank")
    assert clock.slowness == 8.0


def test_a_stopped_clock_has_no_time_left_even_where_there_was_no_limit(
    time: SimpleNamespace,
) -> None:
    clock = Clock(1000.0, None)
    assert (clock.deadline(0.5), clock.over, clock.stopped) == (None, False, False)
    clock.stop()
    time.now = 1001.0
    assert (clock.deadline(0.5), clock.over, clock.stopped) == (1000.0, True, True)
