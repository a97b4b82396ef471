from __future__ import annotations

import pytest

from autotransfer.results import Outcome, ParamValue, State
from autotransfer.search.skip_rules import reason_to_skip, takes_more_than_the_rest

POINT: dict[str, ParamValue] = {"depth": 0.5, "learning_rate_multiplier": 1.0, "epochs": 8}


def _failed(reason: str, number: int = 0, **changes: ParamValue) -> Outcome:
    return Outcome(number, "s", "tune", POINT | changes, State.FAILED, reason=reason)


def test_the_same_point_is_not_run_twice() -> None:
    done = Outcome(0, "s", "tune", POINT, State.COMPLETE, value=0.5)
    assert reason_to_skip(POINT, [done]) == "the same point was run before"
    assert reason_to_skip(POINT | {"depth": 0.6}, [done]) is None


@pytest.mark.parametrize(
    ("change", "denied"),
    [({"depth": 0.2}, True), ({"depth": 0.5, "epochs": 3}, True), ({"depth": 0.9}, False)],
)
def test_what_trains_as_many_layers_as_did_not_fit_is_denied(
    change: dict[str, ParamValue],
    denied: bool,  # noqa: FBT001
) -> None:
    failed = [_failed("OutOfMemoryError: tried to allocate 20 GiB")]
    assert (reason_to_skip(POINT | change, failed) is not None) is denied


@pytest.mark.parametrize(("rate", "denied"), [(2.0, True), (1.0, True), (0.5, False)])
def test_a_rate_as_high_as_one_that_ran_away_is_denied(rate: float, denied: bool) -> None:  # noqa: FBT001
    failed = [_failed("FloatingPointError: the training loss became nan")]
    point = POINT | {"learning_rate_multiplier": rate, "depth": 0.1}
    assert (reason_to_skip(point, failed) is not None) is denied


def test_a_training_as_long_as_one_that_ran_out_of_time_is_denied() -> None:
    late = Outcome(3, "s", "tune", POINT, State.PRUNED, reason="out of time: 80 steps do not fit")
    assert reason_to_skip(POINT | {"epochs": 9}, [late]) == (
        "as long a training did not end in time (trial 3)"
    )
    assert reason_to_skip(POINT | {"epochs": 7}, [late]) is None


def test_a_pair_that_failed_three_times_and_never_succeeded_is_closed() -> None:
    failed = [_failed("ValueError: no", number, epochs=number + 1) for number in range(3)]
    assert reason_to_skip(POINT, failed[:2]) is None
    assert reason_to_skip(POINT, failed) == "failed 3 times and never succeeded: ValueError: no"
    done = Outcome(4, "s", "tune", POINT | {"epochs": 5}, State.COMPLETE, value=0.5)
    assert reason_to_skip(POINT, [*failed, done]) is None


def test_a_baseline_never_takes_more_than_what_is_compared_with_it() -> None:
    def ran(strategy: str, seconds: float) -> Outcome:
        return Outcome(0, "net", strategy, {}, State.COMPLETE, seconds=seconds)

    first = ran("source-only", 90)
    assert takes_more_than_the_rest("source-only", 100.0, []) is None  # the first is made
    assert takes_more_than_the_rest("source-only", 100.0, [ran("mcc", 5)]) is None
    assert takes_more_than_the_rest("source-only", None, [first]) is None
    reason = "source-only would take more than all that is compared with it"
    assert takes_more_than_the_rest("source-only", 100.0, [first, ran("mcc", 180)]) == reason
    assert takes_more_than_the_rest("source-only", 100.0, [first, ran("mcc", 190)]) is None
    short = [ran("source-only", 5), ran("mcc", 1)]
    assert takes_more_than_the_rest("source-only", 15.0, short) is None  # 20 s in any case
    assert takes_more_than_the_rest("source-only", 16.0, short) == reason
