"""Points that are not tried: what is known to fail, to repeat, or not to end in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autotransfer.results import Outcome, ParamValue, State
from autotransfer.search.cost import work_of
from autotransfer.search.trial import OUT_OF_TIME

CLOSED_AFTER = 3  # failures of a pair that never succeeded
LEAST_SECONDS = 20.0  # that the trials of a baseline may take in any case
LOST = "the worker process ended"
_NO_MEMORY = ("OutOfMemoryError", "MemoryError", LOST)
_NOT_FINITE = ("FloatingPointError", "ValueError: the predictor returned NaN")


def out_of_memory(outcome: Outcome) -> bool:
    """Return whether a trial failed for want of memory."""
    return outcome.state is State.FAILED and outcome.reason.startswith(_NO_MEMORY)


def not_finite(outcome: Outcome) -> bool:
    """Return whether a trial failed because its numbers ran away."""
    return outcome.state is State.FAILED and outcome.reason.startswith(_NOT_FINITE)


def reason_to_skip(params: Mapping[str, ParamValue], same: Sequence[Outcome]) -> str | None:
    """Return why a point is not tried, or None.

    Args:
        params: The point.
        same: What became of the same source and strategy so far.
    """
    if any(dict(outcome.params) == dict(params) for outcome in same):
        return "the same point was run before"
    failed = [outcome for outcome in same if outcome.state is State.FAILED]
    if len(failed) >= CLOSED_AFTER and not any(o.state is State.COMPLETE for o in same):
        return f"failed {len(failed)} times and never succeeded: {failed[-1].reason}"
    for outcome in same:
        reason = _follows_from(outcome, params)
        if reason is not None:
            return f"{reason} (trial {outcome.number})"
    return None


def takes_more_than_the_rest(
    strategy: str, predicted: float | None, outcomes: Sequence[Outcome]
) -> str | None:
    """Return why no more of a baseline is tried: it would take more than all that is compared.

    Args:
        strategy: Name of the baseline; its first trial is always made.
        predicted: Seconds of its next trial; None where nothing is known.
        outcomes: Everything that has run.
    """
    own = [outcome.seconds for outcome in outcomes if outcome.strategy == strategy]
    if not own or predicted is None:
        return None
    others = sum(outcome.seconds for outcome in outcomes) - sum(own)
    if sum(own) + predicted <= max(others, LEAST_SECONDS):
        return None
    return f"{strategy} would take more than all that is compared with it"


def _follows_from(outcome: Outcome, params: Mapping[str, ParamValue]) -> str | None:
    """Return why a point fails if this outcome did: it asks for as much, or for more."""
    if out_of_memory(outcome) and _at_most("depth", params, outcome.params):
        return "as many layers did not fit in memory"
    rate = "learning_rate_multiplier"
    if not_finite(outcome) and _at_most(rate, outcome.params, params):
        return "as high a learning rate gave no numbers"
    if outcome.reason.startswith(OUT_OF_TIME) and work_of(params) >= work_of(outcome.params):
        return "as long a training did not end in time"
    return None


def _at_most(
    name: str, smaller: Mapping[str, ParamValue], larger: Mapping[str, ParamValue]
) -> bool:
    """Return whether a knob is no larger in the first point; true where one lacks it."""
    if name not in smaller or name not in larger:
        return True
    return float(smaller[name]) <= float(larger[name])
