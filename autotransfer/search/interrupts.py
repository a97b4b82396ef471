"""Interrupts from the terminal come between two writes of the study, never within one.

An interrupt within a transaction would leave it open, and the database locked for what follows.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """Holds interrupts back in `held` blocks; elsewhere they raise as ever.

    What was held back raises `KeyboardInterrupt` at the end of its block, or at once where another
    one comes. Only the main thread
    gets interrupts; in any other, and where they are ignored, nothing is changed.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._waiting = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Take interrupts in the block."""
        main = threading.current_thread() is threading.main_thread()
        if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self._take)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold interrupts back until the end of the block."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._waiting and not self._depth:
                self._waiting = False
                raise KeyboardInterrupt

    def _take(self, number: int, frame: FrameType | None) -> None:
        if not self._depth or self._waiting:  # a second one is not held back
            self._waiting = False
            signal.default_int_handler(number, frame)
        self._waiting = True
