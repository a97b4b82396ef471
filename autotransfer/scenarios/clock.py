"""How the time of a fit is divided."""

from __future__ import annotations

import time

from autotransfer.models.features import FeatureReaders
from autotransfer.results import Seconds
from autotransfer.scenarios.options import OnPart

RANK_SHARE = 0.25  # of the seconds, at most
POOL_SHARE = 0.6  # of the seconds, ranking included, for the features of all sources
HELD_OUT_SHARE = 0.15  # of the seconds, for passes of held-out items through all sources
GUARD_SHARE = 0.3  # of the seconds, held back from the search
CLOSING_SHARE = 0.05  # of the seconds, for saving and MLflow
CLOSING_SECONDS = 2.0  # that saving and MLflow take at least, on a machine with nothing else to do
MOST_CLOSING = 0.5  # of the seconds
SAMPLED_WORK = 0.1  # seconds of work, by which the load of the machine is measured


def contention() -> float:
    """Return the seconds that one of work takes in this thread; 1 where nothing else runs.

    The work is done for this alone: in any other, a thread may also have waited for others, for a
    GPU or for a download, which says nothing of the machine.
    """
    before, began = time.thread_time(), time.monotonic()
    while time.thread_time() - before < SAMPLED_WORK:
        pass
    return max((time.monotonic() - began) / SAMPLED_WORK, 1.0)


class Clock:
    """The time of a fit: what opening the images has left of it is divided among the parts.

    Args:
        began: `time.monotonic()` at the start of the fit.
        seconds: Of the fit; None is no limit.
        told: Called with each part that is done and its seconds, opening first.
    """

    def __init__(self, began: float, seconds: float | None, told: OnPart | None = None) -> None:
        self.began, self._told = began, told
        self._opened = self._last = time.monotonic()
        self.seconds = None if seconds is None else max(began + seconds - self._opened, 0.0)
        self.slowness = 1.0  # seconds that one of work took after the ranking
        self._stopped: float | None = None
        self.parts: dict[str, float] = {}
        if told is not None:
            told("open", self._last - began)

    def deadline(self, share: float) -> float | None:
        """Return the monotonic time at which a share of the seconds is spent; None is no limit."""
        if self._stopped is not None:
            return self._stopped
        return None if self.seconds is None else self._opened + share * self.seconds

    def closing(self, work: float = 0.0) -> float | None:
        """Return when everything but saving, report and MLflow has to be done; None is no limit.

        Where other programs take the processor, saving takes longer as everything else does.

        Args:
            work: Seconds of other work that have to fit in before, on a machine that has time.
        """
        if self.seconds is None or self.stopped:
            return self.deadline(1)
        share = self.slowness * CLOSING_SECONDS / max(self.seconds, 1e-9)
        share = min(max(CLOSING_SHARE, share), MOST_CLOSING)
        return self._opened + (1 - share) * self.seconds - self.slowness * work

    @property
    def over(self) -> bool:
        """Return whether what is left of the time is for saving alone."""
        closing = self.closing()
        return closing is not None and time.monotonic() >= closing

    @property
    def stopped(self) -> bool:
        """Return whether the user has ended the fit before its time."""
        return self._stopped is not None

    def stop(self) -> None:
        """End the time of the fit now."""
        self._stopped = time.monotonic()

    def mark(self, part: str) -> None:
        """Book the time since the last mark."""
        now = time.monotonic()
        self.parts[part] = now - self._last
        self._last = now
        if part == "rank" and self.seconds is not None:
            self.slowness = contention()
        if self._told is not None:
            self._told(part, self.parts[part])

    def seconds_of(self, readers: FeatureReaders) -> Seconds:
        """Return the parts as a record."""
        total = time.monotonic() - self.began
        return Seconds(total=total, features=readers.seconds, **self.parts)
