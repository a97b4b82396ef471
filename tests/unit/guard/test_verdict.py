from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotransfer.guard.bootstrap import Comparison, compare
from autotransfer.guard.verdict import (
    decide,
    default_margin,
    judge,
    labels_to_settle,
    sentence,
)
from autotransfer.models.metrics import METRICS
from autotransfer.results import Decision, Interval

MIRROR = {Decision.POSITIVE: Decision.NEGATIVE, Decision.NEGATIVE: Decision.POSITIVE}


def with_gap(
    value: float,
    low: float,
    high: float,
    *,
    metric: str = "accuracy",
    n: int = 153,
    detectable: float = 0.1,
    draws: tuple[float, ...] = (0.0,),
    narrow: tuple[float, float] | None = None,
) -> Comparison:
    gap = Interval(value, low, high, n)
    return Comparison(
        metric=METRICS[metric],
        n=n,
        test=Interval(0.9, 0.85, 0.95, n),
        rival=0.9 - value,
        gap=gap,
        narrow=gap if narrow is None else Interval(value, *narrow, n),
        standard_error=detectable / 2.8,
        minimum_detectable=detectable,
        mcnemar=0.5,
        draws=np.array(draws),
    )


@pytest.mark.parametrize(
    ("low", "high", "decision"),
    [
        (0.001, 0.2, Decision.POSITIVE),
        (0.001, 0.009, Decision.POSITIVE),  # above zero comes before within the margin
        (0.0, 0.2, Decision.INCONCLUSIVE),
        (-0.01, 0.01, Decision.NEUTRAL),
        (-0.011, 0.01, Decision.INCONCLUSIVE),
        (0.0, 0.0, Decision.NEUTRAL),
        (-0.2, 0.0, Decision.INCONCLUSIVE),
        (-0.2, -0.001, Decision.NEGATIVE),
        (1e-15, 0.2, Decision.INCONCLUSIVE),  # rounding is no proof
    ],
)
def test_the_interval_decides(low: float, high: float, decision: Decision) -> None:
    assert judge(with_gap((low + high) / 2, low, high), margin=0.01) is decision


@pytest.mark.parametrize(
    ("decision", "returned"),
    [
        (Decision.POSITIVE, "transfer"),
        (Decision.NEUTRAL, "baseline"),
        (Decision.NEGATIVE, "baseline"),
    ],
)
def test_a_clear_verdict_decides_what_is_returned(decision: Decision, returned: str) -> None:
    assert decide(with_gap(0.05, -0.1, 0.2), decision, 0.01) == returned


@pytest.mark.parametrize(
    ("value", "worse", "returned"),
    [(0.05, 2, "transfer"), (0.05, 3, "baseline"), (0.0, 0, "baseline"), (-0.01, 0, "baseline")],
)
def test_an_open_verdict_returns_the_transfer_only_if_it_is_better_and_safe(
    value: float, worse: int, returned: str
) -> None:
    draws = (-0.02,) * worse + (0.0,) * (10 - worse)
    comparison = with_gap(value, -0.1, 0.2, draws=draws)
    assert decide(comparison, Decision.INCONCLUSIVE, 0.01) == returned


def test_the_margin_is_that_of_the_metric_or_one_picture() -> None:
    assert default_margin(METRICS["accuracy"], 1000) == 0.02
    assert default_margin(METRICS["f1_macro"], 1000) == 0.03
    assert default_margin(METRICS["f1_macro"], 25) == 0.04
    assert default_margin(METRICS["log_loss"], 10) == 0.05
    assert all(default_margin(metric, 100) > 0 for metric in METRICS.values())


def test_no_difference_is_shown_by_the_interval_of_ninety_per_cent() -> None:
    # 95 % reach beyond two points on one side; each of two one-sided tests errs in 5 %
    within = with_gap(0.003, -0.015, 0.021, narrow=(-0.012, 0.018))
    assert judge(within, margin=0.02) is Decision.NEUTRAL
    assert judge(within, margin=0.015) is Decision.INCONCLUSIVE
    above = with_gap(0.01, 0.001, 0.019, narrow=(0.002, 0.018))
    assert judge(above, margin=0.02) is Decision.POSITIVE  # small, and above zero


def test_no_difference_can_be_shown_on_a_few_hundred_items() -> None:
    # one item in 25 is answered otherwise, as often for the better as for the worse
    labels, n = np.zeros(400, dtype=np.int64), 400
    right, place = np.tile([0.9, 0.1], (n, 1)), np.arange(n)
    first, second = (np.where((place % 50 == k)[:, None], [0.1, 0.9], right) for k in (0, 1))
    found = compare(METRICS["accuracy"], labels, first, second)
    assert judge(found, margin=default_margin(METRICS["accuracy"], n)) is Decision.NEUTRAL


@pytest.mark.parametrize("name", METRICS)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 40))
def test_identical_predictions_are_neutral(name: str, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    labels, same = rng.integers(3, size=n), rng.dirichlet(np.ones(3), size=n)
    comparison = compare(METRICS[name], labels, same, same, draws=50)
    margin = default_margin(METRICS[name], n)
    assert judge(comparison, margin=margin) is Decision.NEUTRAL
    assert decide(comparison, Decision.NEUTRAL, margin) == "baseline"


@pytest.mark.parametrize("name", METRICS)
@given(seed=st.integers(0, 10_000), inverse_temperature=st.floats(0, 2))
def test_swapping_the_two_mirrors_the_verdict(
    name: str, seed: int, inverse_temperature: float
) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=40)
    good = rng.dirichlet(np.ones(3), size=40) + inverse_temperature * np.eye(3)[labels]
    good /= good.sum(axis=1, keepdims=True)
    plain = rng.dirichlet(np.ones(3), size=40)
    one = compare(METRICS[name], labels, good, plain, draws=200)
    other = compare(METRICS[name], labels, plain, good, draws=200)
    decision = judge(one, margin=0.01)
    assert judge(other, margin=0.01) is MIRROR.get(decision, decision)


@given(seed=st.integers(0, 10_000))
def test_the_order_of_the_pictures_does_not_change_the_verdict(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, order = rng.integers(3, size=40), rng.permutation(40)
    first, second = rng.dirichlet(np.ones(3), size=(2, 40))
    one = compare(METRICS["accuracy"], labels, first, second, draws=100)
    other = compare(METRICS["accuracy"], labels[order], first[order], second[order], draws=100)
    assert judge(one, margin=0.025) is judge(other, margin=0.025)


def test_the_positive_sentence_has_the_figures_first() -> None:
    text = sentence(
        with_gap(0.041, 0.012, 0.07, n=400),
        Decision.POSITIVE,
        margin=0.02,
        baseline="classical pixels",
        images="labelled items",
    )
    assert text == (
        "+4.1 points over the best you would have got without a source (classical pixels; 95 % "
        "1.2 to 7.0, 400 labelled items)"
    )


def test_the_negative_sentence_says_that_transfer_hurts() -> None:
    comparison = with_gap(-0.05, -0.09, -0.01)
    text = sentence(comparison, Decision.NEGATIVE, margin=0.01, baseline="pixels")
    assert text.startswith("-5.0 points against the best you would have got")
    assert text.endswith("(pixels; 95 % -9.0 to -1.0, 153 held-out items): transfer hurts")
    models = sentence(comparison, Decision.NEGATIVE, margin=0.01, subject="a", rival="b")
    assert models == "a: -5.0 points against b (95 % -9.0 to -1.0, 153 held-out items)"


def test_the_neutral_sentence_gives_margin_and_narrow_interval() -> None:
    comparison = with_gap(-0.0001, -0.02, 0.03, metric="log_loss", narrow=(-0.015, 0.02))
    text = sentence(comparison, Decision.NEUTRAL, margin=0.05, images="audit items")
    assert text.startswith("0.000 nats of log loss against the best")  # no minus zero
    assert text.endswith(
        "(90 % -0.015 to 0.020, 153 audit items): "
        "no difference worth having, less than 0.050 nats of log loss"
    )


def test_the_open_sentence_says_what_would_settle_it() -> None:
    comparison = with_gap(0.05, -0.02, 0.12, n=200, detectable=0.1, metric="f1_macro")
    text = sentence(comparison, Decision.INCONCLUSIVE, margin=0.01)
    assert "a gap of 10.0 points of macro F1 four times out of five" in text
    assert text.startswith("+5.0 points of macro F1 against the best you would have got")
    assert "200 held-out items): open; so many show" in text
    assert "about 800 would settle" in text  # half the gap needs four times the items


def test_the_labels_to_settle_are_rounded_up_to_two_digits_and_more_than_there_are() -> None:
    assert labels_to_settle(with_gap(0.05, 0, 0, n=201), 0.01) == 810
    assert labels_to_settle(with_gap(0.0, 0, 0, n=200), 0.01) == 20_000
    assert labels_to_settle(with_gap(0.9, 0, 0, n=5), 0.01) == 6


def test_an_unverified_decision_has_no_such_sentence() -> None:
    with pytest.raises(ValueError, match="'unverified'"):
        sentence(with_gap(0, 0, 0), Decision.UNVERIFIED, margin=0.01)
