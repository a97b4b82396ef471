"""When a search ends because no further trial is worth its time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from autotransfer.models.metrics import metric_named
from autotransfer.results import Outcome, State
from autotransfer.search.expected_gain import (
    BEYOND_THE_RECORD,
    OVER_A_MIXTURE,
    Gain,
    trained_over_a_mixture,
)
from autotransfer.search.stopping import Worth, positive_part, share_found

ACCURACY = metric_named("accuracy")
NAMED = frozenset({"tune"})
NOTHING = Gain(0.0, 0.01)  # is known: as likely a loss as a gain


def _trials(count: int, seconds: float, strategy: str = "tune") -> list[Outcome]:
    return [
        Outcome(n, "a", strategy, {}, State.COMPLETE, value=0.5, seconds=seconds)
        for n in range(count)
    ]


def _worth(
    known: Gain = NOTHING,
    measured: tuple[float, float] | None = None,
    first: float = 60.0,
    metric: str = "accuracy",
) -> Worth:
    return Worth(metric_named(metric), known, lambda _outcomes: measured, NAMED, first)


def test_the_positive_part_of_a_normal_gain() -> None:
    # E max(G, 0) of a standard normal is 1 / sqrt(2 pi)
    assert positive_part(0.0, 1.0) == pytest.approx(1 / math.sqrt(2 * math.pi))
    assert positive_part(2.0, 0.0) == 2.0
    assert positive_part(-2.0, 0.0) == 0.0
    drawn = np.random.default_rng(0).normal(-0.5, 1.5, 400_000)
    assert positive_part(-0.5, 1.5) == pytest.approx(np.maximum(drawn, 0).mean(), abs=0.01)


def test_the_first_trial_finds_half_of_what_there_is() -> None:
    assert [share_found(k) for k in (0, 1, 2, 3)] == pytest.approx([0, 1 / 2, 2 / 3, 3 / 4])
    assert share_found(math.inf) == 1.0


@pytest.mark.parametrize(("seconds", "goes_on"), [(110.0, True), (130.0, False)])
def test_the_first_trial_is_run_where_it_is_worth_its_minutes(
    seconds: float,
    goes_on: bool,  # noqa: FBT001 - pytest gives it
) -> None:
    # half of 0.4 points, the positive part of 0 +- 1: worth two minutes at a tenth a minute
    found = _worth(first=seconds)([], 41.0, 540.0)
    assert (found is None) is goes_on


def test_the_reason_says_what_the_time_left_would_bring() -> None:
    found = _worth(first=180.0)([], 41.0, 540.0)
    assert found is not None
    # three more trials: three quarters of 0.399 points
    assert found.expected_gain == pytest.approx(0.75 * 0.01 / math.sqrt(2 * math.pi))
    assert found.reason == (
        "searched 41 s; 9 minutes more are expected to bring 0.3 points (--keep-searching goes on)"
    )
    soon = _worth(first=180.0)([], 41.0, 60.0)
    assert soon is not None
    assert "; 60 seconds more are" in soon.reason


def test_what_trials_have_gained_keeps_the_search_going() -> None:
    trials = _trials(2, 60.0)
    assert _worth(measured=(0.04, 0.01))(trials, 200.0, 400.0) is None
    assert _worth(measured=(-0.04, 0.01))(trials, 200.0, 400.0) is not None


def test_what_trials_take_counts_and_not_what_was_expected_of_them() -> None:
    assert _worth(first=1e6, measured=(0.01, 0.01))(_trials(1, 1.0), 200.0, 400.0) is None
    assert _worth(first=0.0, measured=(0.01, 0.01))(_trials(1, 1e6), 200.0, 400.0) is not None


def test_probes_and_what_other_strategies_did_are_not_counted() -> None:
    others = [*_trials(5, 1e6, "other"), replace(_trials(1, 1e6)[0], number=-1)]
    assert _worth(first=1.0)(others, 200.0, 400.0) is None


def test_a_search_of_cheap_trials_ends_as_well() -> None:
    """Gains become rarer as the square of the trials: at 50 ms, after less than a hundred."""
    known, ended = OVER_A_MIXTURE.frozen, 0
    while _worth(known, (-0.002, 0.005), 0.05)(_trials(ended, 0.05), 1.0, 500.0) is None:
        ended += 1
    assert 5 < ended < 100


def test_the_gain_is_not_measured_anew_for_every_trial() -> None:
    asked: list[int] = []

    def measure(outcomes: Sequence[Outcome]) -> tuple[float, float]:
        asked.append(len(outcomes))
        return 0.05, 0.01

    worth = Worth(ACCURACY, Gain(0.0, 0.02), measure, NAMED, 0.01)
    for count in range(30):
        worth(_trials(count, 0.01), 1.0, 100.0)
    assert asked == [1, 2, 3, 4, 6, 8, 11, 15, 20, 26]


def test_log_loss_is_told_in_nats() -> None:
    found = _worth(first=1e4, metric="log_loss")([], 41.0, 1e4)
    assert found is not None
    assert " 0.002 nats (" in found.reason


def test_beyond_the_record_less_is_known() -> None:
    recorded = ["mobilenetv2_100", "hf-hub:someone/resnet18"]
    assert trained_over_a_mixture(20, recorded) == OVER_A_MIXTURE.trained
    assert trained_over_a_mixture(101, recorded) == BEYOND_THE_RECORD
    assert trained_over_a_mixture(20, [*recorded, "convnext_nano"]) == BEYOND_THE_RECORD
