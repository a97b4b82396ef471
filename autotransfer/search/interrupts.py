"""Interrupts and deadlines come between two writes of the study, never within one.

Within a transaction they would leave it open, and the database locked for what follows.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any

# Ctrl-C; a process manager that ends the fit; a terminal that is closed.
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)

_RAISING = (*SIGNALS, *([signal.SIGALRM] if hasattr(signal, "SIGALRM") else []))


def ended_like_interrupts() -> AbstractContextManager[None]:
    """Raise `KeyboardInterrupt` in the block for every signal that asks the process to end.

    Those that somebody handles or ignores, as `nohup` does, are left alone.
    """
    return _handled(signal.SIG_DFL, signal.default_int_handler)


@contextmanager
def _handled(usual: Any, handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Handle in the block the signals that are handled as usual; in the main thread alone."""
    main = threading.current_thread() is threading.main_thread()
    taken = [s for s in SIGNALS if main and signal.getsignal(s) is usual]
    for number in taken:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, usual)


@contextmanager
def whole() -> Iterator[None]:
    """Let signals that raise, interrupts and deadlines, come at the end of a short block.

    However many they are; other threads than the main one get none.
    """
    came: list[int] = []
    before: list[tuple[int, Any]] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    try:
        if threading.current_thread() is threading.main_thread():
            for number in _RAISING:
                handler = signal.getsignal(number)
                if callable(handler):
                    before.append((number, handler))
                    signal.signal(number, note)
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)


class Interrupts:
    """Holds interrupts back in `held` blocks; elsewhere they raise as ever.

    What was held back raises `KeyboardInterrupt` at the end of its block, or at once where another
    one comes. Only the main thread gets interrupts; in any other, and for a signal that does not
    interrupt, nothing is changed.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._waiting = False

    def watched(self) -> AbstractContextManager[None]:
        """Take interrupts in the block."""
        return _handled(signal.default_int_handler, self._take)

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
