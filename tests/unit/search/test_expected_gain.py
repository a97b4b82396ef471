"""How far a measured gain is believed, and what is chosen because of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from autotransfer.models.architecture import GIVEN_FEATURES
from autotransfer.models.metrics import metric_named
from autotransfer.search.choice import Terms, choose
from autotransfer.search.expected_gain import (
    OVER_A_MIXTURE,
    OVER_A_PROBE,
    Expected,
    Gain,
    expected_gains,
    standard_error,
)

ACCURACY, LOG_LOSS = metric_named("accuracy"), metric_named("log_loss")
OBVIOUS, OTHER = -1, 7


def test_a_measured_gain_counts_by_its_precision() -> None:
    # a prior of -1 +- 1 points and a gain of 4 +- 2: a fifth of the precision is the gain's;
    # where that was a surprise of 10 points, 100 of 104. Their densities at 4 are
    # exp(-25 / 10) / sqrt(5) and, of one case in a hundred, exp(-16 / 208) / sqrt(104)
    usual, rare = 0.99 * np.exp(-2.5) / 5**0.5, 0.01 * np.exp(-16 / 208) / 104**0.5
    means = 0.8 * -0.01 + 0.2 * 0.04, 100 / 104 * 0.04
    wanted = (usual * means[0] + rare * means[1]) / (usual + rare)
    assert Gain(-0.01, 0.01).given(0.04, 0.02) == pytest.approx(wanted)


def test_what_is_far_beyond_all_that_is_known_is_believed() -> None:
    assert OVER_A_MIXTURE.frozen.given(0.05, 0.05) < 0  # one error, of few items
    assert OVER_A_MIXTURE.frozen.given(0.5, 0.13) > 0.01  # four errors, of as few


@given(st.floats(-0.1, 0.1), st.floats(0.001, 0.1), st.floats(-0.5, 0.5), st.floats(0.001, 1))
def test_what_is_expected_lies_between_what_was_known_and_what_was_found(
    mean: float, deviation: float, measured: float, error: float
) -> None:
    found = Gain(mean, deviation).given(measured, error)
    assert min(mean, measured, 0.0) - 1e-12 <= found <= max(mean, measured, 0.0) + 1e-12


def test_gains_in_nats_are_twice_those_in_shares_of_items() -> None:
    assert Gain(-0.01, 0.02).of(ACCURACY) == Gain(-0.01, 0.02)
    assert Gain(-0.01, 0.02).of(LOG_LOSS) == Gain(-0.02, 0.04, 0.2)


def test_a_standard_error_of_right_answers_counts_one_difference_more() -> None:
    # three of a hundred items differ, each by one
    assert standard_error(3, 0.03, 100, ACCURACY) == pytest.approx((3 - 0.09 + 1) ** 0.5 / 100)
    assert standard_error(0, 0.0, 10, ACCURACY) == pytest.approx(0.1)
    assert standard_error(0, 0.0, 10, LOG_LOSS) == 0.0


def _better_by(n: int, share: float) -> tuple[dict[int, NDArray[np.float64]], NDArray[np.int64]]:
    """Return two candidates, of which the other one has so many more right answers."""
    labels = np.arange(n) % 2
    rank = np.random.default_rng(0).permutation(n) / n

    def said(right: NDArray[np.bool_]) -> NDArray[np.float64]:
        sure = np.where(right, 0.9, 0.1)
        return np.stack([np.where(labels == k, sure, 1 - sure) for k in (0, 1)], axis=1)

    return {OBVIOUS: said(rank < 0.7), OTHER: said(rank < 0.7 + share)}, labels


@pytest.mark.parametrize(
    ("n", "trained", "winner"),
    [
        (60, (), OBVIOUS),  # five points of 60 items, 3.3 of them error: the prior decides
        (60, (OTHER,), OTHER),  # it knows less of what trains
        (3000, (), OTHER),  # the same of 3000 items
    ],
)
def test_of_few_items_what_is_known_decides_and_of_many_the_measurement(
    n: int, trained: tuple[int, ...], winner: int
) -> None:
    said, labels = _better_by(n, 0.05)
    terms = Terms(
        ACCURACY, (OBVIOUS,), combine=False, temper=False, expected=OVER_A_MIXTURE, trained=trained
    )
    choice = choose(said, np.arange(n) % 3, labels, terms)
    assert choice.weights == {winner: 1.0}
    if winner == OTHER:
        assert choice.gain == pytest.approx(0.05)
        wanted = standard_error(0.05 * n, 0.05, n, ACCURACY)
        assert choice.error == pytest.approx(wanted)


def test_a_mixture_with_earlier_stages_replaces_one_probe_though_a_few_items_are_lost() -> None:
    said, labels = _better_by(30, -0.04)
    candidates = {OBVIOUS: said[OBVIOUS], OTHER: said[OTHER][::-1]}
    terms = Terms(ACCURACY, (OBVIOUS,), temper=False, expected=OVER_A_PROBE)
    found = choose(candidates, np.arange(30) % 3, labels, terms)
    assert set(found.weights) == {OBVIOUS, OTHER}


def test_where_nothing_is_expected_a_tie_leaves_the_obvious() -> None:
    said, labels = _better_by(60, 0.0)
    none = Expected(Gain(0.0, 0.02), Gain(0.0, 0.02))
    other = said[OBVIOUS].copy()
    other[:, 0] = 0.5 + (other[:, 0] - 0.5) * 1.2  # the same answers, surer and no worse
    other[:, 1] = 1 - other[:, 0]
    terms = Terms(ACCURACY, (OBVIOUS,), combine=False, temper=False, expected=none)
    choice = choose({OBVIOUS: said[OBVIOUS], OTHER: other}, np.arange(60) % 3, labels, terms)
    assert choice.weights == {OBVIOUS: 1.0}


@pytest.mark.parametrize(
    ("architectures", "known"),
    [
        (["mobilenetv2_100", "tf_efficientnet_lite0", "cifar_resnet20"], True),
        (["hf-hub:someone/resnet18"], True),
        ([GIVEN_FEATURES], True),
        (["mobilenetv2_100", "vit_small_patch16_224"], False),
        (["transformers/bert"], False),
        (["static-embedding/resnet"], False),  # no network of images, whatever its name
    ],
)
def test_of_networks_that_are_not_recorded_nothing_is_known(
    architectures: list[str],
    known: bool,  # noqa: FBT001 - pytest gives it
) -> None:
    found = expected_gains(architectures, over_a_mixture=True, combine=True)
    assert found is (OVER_A_MIXTURE if known else None)
    of_one = expected_gains(architectures, over_a_mixture=False, combine=True)
    assert of_one is (OVER_A_PROBE if known else None)
