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


class Clock:
    """The time of a fit, divided; it runs from where the images are open.

    Args:
        began: `time.monotonic()` at the start of the fit.
        seconds: Of the fit; None is no limit.
        told: Called with each part that is done and its seconds, opening first.
    """

    def __init__(self, began: float, seconds: float | None, told: OnPart | None = None) -> None:
        self.began, self.seconds, self._told = began, seconds, told
        self._last = time.monotonic()
        self.parts: dict[str, float] = {}
        if told is not None:
            told("open", self._last - began)

    def deadline(self, share: float) -> float | None:
        """Return the monotonic time at which a share of all seconds is spent."""
        return None if self.seconds is None else self.began + share * self.seconds

    def mark(self, part: str) -> None:
        """Book the time since the last mark."""
        now = time.monotonic()
        self.parts[part] = now - self._last
        self._last = now
        if self._told is not None:
            self._told(part, self.parts[part])

    def seconds_of(self, readers: FeatureReaders) -> Seconds:
        """Return the parts as a record."""
        total = time.monotonic() - self.began
        return Seconds(total=total, features=readers.seconds, **self.parts)
