from __future__ import annotations

import signal
import time

import pytest

from autotransfer.errors import OverrunError
from autotransfer.search import watchdog
from autotransfer.search.watchdog import ended_at


def test_what_goes_on_after_its_deadline_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "GRACE_SECONDS", 0.05)
    began = time.monotonic()
    with pytest.raises(OverrunError, match="did not stop at its deadline"), ended_at(began):
        time.sleep(30)
    assert time.monotonic() - began < 10


def test_what_ends_in_time_is_left_alone_and_so_is_somebody_elses_timer() -> None:
    before = signal.getsignal(signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, 500.0)
    try:
        with ended_at(time.monotonic() + 100), ended_at(None):
            pass
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 400 < left <= 500
        assert signal.getsignal(signal.SIGALRM) is before
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
