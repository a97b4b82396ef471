from __future__ import annotations

import math

import pytest

from autotransfer.models.metrics import metric_named
from autotransfer.results import Outcome, State
from autotransfer.search.progress_forecast import curve, forecast_line, last_doubling


def _outcome(number: int, value: float | None, elapsed: float, **more: object) -> Outcome:
    state = State.FAILED if value is None else State.COMPLETE
    scenarios: dict[str, object] = {"value": value, "log_loss": 1.0, "elapsed": elapsed} | more
    return Outcome(number, "s", "probe", {}, state, **scenarios)  # type: ignore[arg-type]


OUTCOMES = [
    _outcome(-1, 0.70, 5.0),
    _outcome(0, 0.65, 20.0),
    _outcome(1, None, 30.0),
    _outcome(2, 0.80, 40.0),
    _outcome(3, 0.99, 50.0, unfit="too large"),
    _outcome(4, 0.81, 90.0),
]


def test_the_curve_has_every_outcome_that_raised_the_score() -> None:
    assert curve(OUTCOMES) == [(5.0, 0.70), (40.0, 0.80), (90.0, 0.81)]


def test_the_last_doubling_is_the_gain_since_half_the_time() -> None:
    assert last_doubling(OUTCOMES, 100.0) == pytest.approx(0.01)
    assert last_doubling(OUTCOMES, 70.0) == pytest.approx(0.11)
    assert last_doubling(OUTCOMES, 8.0) == math.inf


def test_the_line_says_score_interval_gain_and_the_minutes_left() -> None:
    line = forecast_line(
        OUTCOMES, (0.7, 0.9), metric_named("accuracy"), seconds=100.0, seconds_left=90.0
    )
    assert line == (
        "so far accuracy 0.810 (95 % interval 0.700 to 0.900, before the test); the last doubling "
        "of the time bought 1.0 points, the next is likely to buy no more; 1.5 minutes left to "
        "search"
    )


def test_before_the_first_answer_there_is_nothing_to_say() -> None:
    nothing = [_outcome(0, None, 5.0)]
    metric = metric_named("accuracy")
    assert forecast_line(nothing, None, metric, seconds=60.0, seconds_left=math.inf) is None
