"""When the search ends: by trials, by the clock, or because nothing is left to try."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autotransfer.results import Outcome, State

MAX_FAILURES = 20  # beyond the number of trials that count


@dataclass(frozen=True)
class SearchLimits:
    """When the search ends.

    Args:
        trials: Number of complete and pruned trials in the study; None is no limit. Probes of
            the first rung do not count.
        deadline: `clock()` at which no trial may still run; None is no limit.
        clock: Seconds that only grow.
        began: `clock()` at which the fit began.
        reserve: Seconds before the deadline that what comes after needs, told from the outcomes:
            training the best of them again, for one.
    """

    trials: int | None
    deadline: float | None
    clock: Callable[[], float] = time.monotonic
    began: float = 0.0
    reserve: Callable[[Sequence[Outcome]], float] = lambda _outcomes: 0.0

    def end(self, outcomes: Sequence[Outcome]) -> float | None:
        """Return `clock()` at which the search has to be over; None is no limit."""
        return None if self.deadline is None else self.deadline - self.reserve(outcomes)

    def seconds_left(self, outcomes: Sequence[Outcome] = ()) -> float:
        """Return the seconds until the end, infinity without one."""
        end = self.end(outcomes)
        return float("inf") if end is None else end - self.clock()

    def spent(self, outcomes: Sequence[Outcome], running: int = 0) -> bool:
        """Return whether no further trial may start.

        Args:
            outcomes: What has finished.
            running: Number of trials in flight; they are taken to count.
        """
        trials = [outcome for outcome in outcomes if not outcome.probe]
        failed = sum(outcome.state is State.FAILED for outcome in trials)
        counted = len(trials) - failed
        if self.trials is not None and counted + running >= self.trials:
            return True
        return failed > counted + MAX_FAILURES or self.seconds_left(outcomes) <= 0
