"""What becomes of a trial whose worker died."""

from __future__ import annotations

from autotransfer.results import Outcome, State
from autotransfer.search.skip_rules import LOST
from autotransfer.search.trial import TrialResult, TrialSpec

RETRIES = 1  # a trial that ends two workers is to blame itself


def lost_result(spec: TrialSpec, reason: str, seconds: float) -> TrialResult:
    """Return the failed outcome of a trial that was not answered."""
    outcome = Outcome(
        spec.number,
        spec.source.name,
        spec.strategy.name,
        dict(spec.params),
        State.FAILED,
        seconds=seconds,
        reason=reason,
    )
    return TrialResult(outcome, None)


def died_reason(times: int, detail: str) -> str:
    """Return why a trial failed whose worker ended that often."""
    return f"{LOST} {times} times ({detail}); it may have run out of memory"
