"""What becomes of a trial whose worker died, or goes on after its deadline."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from autotransfer.results import State
from autotransfer.search.skip_rules import LOST
from autotransfer.search.trial import TrialResult, TrialSpec
from autotransfer.search.watchdog import GRACE_SECONDS

RETRIES = 1  # a trial that ends two workers is to blame itself
LATE = "did not stop at its deadline; its worker was ended"


def lost_result(spec: TrialSpec, reason: str, since: float) -> TrialResult:
    """Return the failed outcome of a trial that was begun at `since` and not answered."""
    seconds = time.monotonic() - since
    failed = replace(spec.outcome, state=State.FAILED, seconds=seconds, reason=reason)
    return TrialResult(failed, None)


def died_reason(times: int, detail: str) -> str:
    """Return why a trial failed whose worker ended that often."""
    return f"{LOST} {times} times ({detail}); it may have run out of memory"


def seconds_until_late(specs: Iterable[TrialSpec]) -> float | None:
    """Return the seconds until the worker of one of the trials has to be ended from outside."""
    ends = [spec.deadline for spec in specs if spec.deadline is not None]
    return max(0.0, min(ends) + 2 * GRACE_SECONDS - time.monotonic()) if ends else None
