"""Ends a trial that ignores its deadline."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from autotransfer.errors import OverrunError

GRACE_SECONDS = 2.0  # a trial may overrun its deadline by this much, to end on its own


@contextmanager
def ended_at(deadline: float | None) -> Iterator[None]:
    """Raise `OverrunError` in the block when it is still running after its deadline.

    Works in the main thread, where the system has timers; a worker process of its own is ended
    from outside as well. A timer that somebody else had set goes on afterwards.

    Args:
        deadline: `time.monotonic()` of the end; None is no limit.
    """
    if deadline is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise OverrunError("did not stop at its deadline and was interrupted")

    began = time.monotonic()
    before = signal.signal(signal.SIGALRM, stop)
    left, interval = signal.setitimer(
        signal.ITIMER_REAL, max(deadline - began, 0.0) + GRACE_SECONDS
    )
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            remaining = max(left - (time.monotonic() - began), 1e-3)
            signal.setitimer(signal.ITIMER_REAL, remaining, interval)
