"""How the time of a fit is divided."""

from __future__ import annotations

import time

from autotransfer.features import FeatureReaders
from autotransfer.results import Seconds

RANK_SHARE = 0.25  # of the seconds, at most
GUARD_SHARE = 0.3  # of the seconds, held back from the search
CLOSING_SHARE = 0.05  # of the seconds, for saving and MLflow


class Clock:
    """The time of a fit, divided."""

    def __init__(self, began: float, seconds: float | None) -> None:
        self.began, self.seconds = began, seconds
        self._last = time.monotonic()
        self.parts: dict[str, float] = {}

    def deadline(self, share: float) -> float | None:
        """Return the monotonic time at which a share of all seconds is spent."""
        return None if self.seconds is None else self.began + share * self.seconds

    def mark(self, part: str) -> None:
        """Book the time since the last mark."""
        now = time.monotonic()
        self.parts[part] = now - self._last
        self._last = now

    def seconds_of(self, readers: FeatureReaders) -> Seconds:
        """Return the parts as a record."""
        total = time.monotonic() - self.began
        return Seconds(total=total, features=readers.seconds, **self.parts)
