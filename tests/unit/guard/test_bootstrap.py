from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import beta

from autotransfer.guard import bootstrap
from autotransfer.guard.bootstrap import Comparison, compare
from autotransfer.models.metrics import METRICS

ACCURACY = METRICS["accuracy"]
LABELS_AND_TWO = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]


def answers_with(wins: int, losses: int, n: int) -> LABELS_AND_TWO:
    """Labels 0; only the finalist is right in `wins`, only the other in `losses`; else both."""
    right, wrong = [0.9, 0.1], [0.1, 0.9]
    finalist, other = np.tile(right, (n, 1)), np.tile(right, (n, 1))
    other[:wins] = wrong
    finalist[wins : wins + losses] = wrong
    return np.zeros(n, dtype=np.int64), finalist, other


def counted(wins: int, losses: int, n: int) -> Comparison:
    labels, finalist, other = answers_with(wins, losses, n)
    return compare(ACCURACY, labels, finalist, other)


def random_case(seed: int, n: int = 30, num_classes: int = 3) -> LABELS_AND_TWO:
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_classes, size=n)
    first, second = rng.dirichlet(np.ones(num_classes), size=(2, n))
    return labels, first, second


def simulated_hits(rng: np.random.Generator, hits: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Two-class probabilities for labels 0 that are right where `hits` says so."""
    right = np.where(hits, 0.6, 0.4) + 0.1 * rng.random(len(hits))
    right = np.where(hits, right, right - 0.1)
    return np.stack([right, 1 - right], axis=1)


def test_the_gap_is_the_difference_of_the_scores() -> None:
    labels, finalist, other = answers_with(wins=5, losses=1, n=20)
    comparison = compare(ACCURACY, labels, finalist, other)
    assert comparison.gap.value == pytest.approx(0.2)
    assert (comparison.test.value, comparison.rival) == (0.95, 0.75)
    assert comparison.n == comparison.gap.n == comparison.narrow.n == 20


def test_the_standard_error_is_that_of_a_mean_of_differences() -> None:
    comparison = counted(wins=40, losses=20, n=300)
    differences = np.repeat([1.0, -1.0, 0.0], [40, 20, 240])
    expected = differences.std() / np.sqrt(300)
    assert comparison.standard_error == pytest.approx(expected, rel=0.05)
    assert comparison.minimum_detectable == pytest.approx(2.8 * comparison.standard_error)


def test_with_many_pictures_the_interval_is_the_normal_one() -> None:
    comparison = counted(wins=300, losses=200, n=2000)
    half = 1.96 * comparison.standard_error
    assert comparison.gap.low == pytest.approx(0.05 - half, abs=0.002)
    assert comparison.gap.high == pytest.approx(0.05 + half, abs=0.002)


@pytest.mark.parametrize(
    ("wins", "losses", "n", "p"),
    [
        (4, 0, 5, 2 / 2**4),
        (5, 0, 10, 2 / 2**5),
        (6, 0, 10, 2 / 2**6),
        (10, 0, 10, 2 / 2**10),
        (9, 2, 40, 2 * (1 + 11 + 55) / 2**11),
    ],
)
def test_few_pictures_prove_only_what_mcnemar_accepts(
    wins: int, losses: int, n: int, p: float
) -> None:
    comparison = counted(wins, losses, n)
    # the limits are exact; the mid-p counts what was seen by half
    half = comb(wins + losses, losses) / 2 ** (wins + losses)
    assert comparison.mcnemar == pytest.approx(p - half)
    assert (comparison.gap.low > 0) == (p <= 0.05)


def test_ten_wins_of_ten_keep_a_wide_interval() -> None:
    comparison = counted(wins=10, losses=0, n=10)
    share = beta.ppf(0.025, 10, 1)  # Clopper-Pearson for 10 of 10, 0.69
    assert comparison.gap.low == pytest.approx(2 * share - 1)
    assert comparison.gap.high == 1.0
    assert comparison.standard_error > 0.1
    assert comparison.mcnemar == pytest.approx(1 / 2**10)


def test_equal_hits_with_different_answers_obey_the_rule_of_three() -> None:
    labels, finalist, other = answers_with(wins=0, losses=0, n=100)
    labels[0] = 2  # three classes; both are wrong there, with different answers
    finalist, other = (np.pad(p, ((0, 0), (0, 1))) for p in (finalist, other))
    other[0] = [0.1, 0.9, 0.0]
    gap = compare(ACCURACY, labels, finalist, other).gap
    bound = 1 - 0.025 ** (1 / 100)  # 3.7 / n
    assert (gap.low, gap.value, gap.high) == pytest.approx((-bound, 0, bound))


def test_the_score_of_a_faultless_finalist_is_not_certain() -> None:
    test = counted(wins=3, losses=0, n=30).test
    assert test.value == test.high == 1.0
    assert test.low == pytest.approx(0.025 ** (1 / 30))  # Clopper-Pearson


@pytest.mark.parametrize("name", METRICS)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 40))
def test_identical_predictions_have_the_gap_zero_and_no_width(
    name: str, seed: int, n: int
) -> None:
    labels, finalist, _ = random_case(seed, n)
    comparison = compare(METRICS[name], labels, finalist, finalist.copy(), draws=50)
    assert (comparison.gap.low, comparison.gap.value, comparison.gap.high) == (0, 0, 0)
    assert comparison.standard_error == comparison.minimum_detectable == 0
    assert comparison.probability_above(-0.01) == 1


@pytest.mark.parametrize("name", METRICS)
@given(seed=st.integers(0, 10_000))
def test_swapping_finalist_and_baseline_mirrors_gap_and_interval(name: str, seed: int) -> None:
    labels, first, second = random_case(seed)
    one = compare(METRICS[name], labels, first, second, draws=200).gap
    other = compare(METRICS[name], labels, second, first, draws=200).gap
    assert (other.value, other.low, other.high) == pytest.approx(
        (-one.value, -one.high, -one.low), abs=1e-9
    )


@pytest.mark.parametrize("name", METRICS)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_the_pictures_changes_no_number(name: str, seed: int) -> None:
    labels, first, second = random_case(seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    one = compare(METRICS[name], labels, first, second, draws=100)
    other = compare(METRICS[name], labels[order], first[order], second[order], draws=100)
    assert one == other
    assert np.array_equal(one.draws, other.draws)


@pytest.mark.parametrize("name", METRICS)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 40))
def test_every_interval_holds_its_value(name: str, seed: int, n: int) -> None:
    labels, first, second = random_case(seed, n)
    comparison = compare(METRICS[name], labels, first, second, draws=100)
    for interval in (comparison.test, comparison.gap, comparison.narrow):
        assert interval.low - 1e-9 <= interval.value <= interval.high + 1e-9
    assert comparison.gap.low <= comparison.narrow.low
    assert comparison.narrow.high <= comparison.gap.high


def test_the_narrow_interval_has_twice_the_error_on_each_side() -> None:
    labels, finalist, other = answers_with(wins=30, losses=12, n=200)
    usual = compare(ACCURACY, labels, finalist, other, level=0.01, inflation=1.3)
    wider = compare(ACCURACY, labels, finalist, other, level=0.02, inflation=1.3)
    assert usual.narrow == wider.gap
    assert usual.gap.low < usual.narrow.low


def test_a_score_is_the_mean_over_the_rounds() -> None:
    # right for 15 of 20 in one round and for 19 in the other; the rival has 18 and 14
    labels = np.zeros(20, dtype=np.int64)
    rounds, theirs = (
        np.stack([simulated_hits(np.random.default_rng(0), np.arange(20) < k) for k in hits])
        for hits in ((15, 19), (18, 14))
    )
    found = compare(ACCURACY, labels, rounds, theirs)
    assert (found.test.value, found.rival) == pytest.approx((0.85, 0.8))
    assert found.gap.value == pytest.approx(0.05)
    assert found.n == 20
    constant = compare(ACCURACY, labels, rounds, theirs[0])  # the same in every round
    assert constant.rival == pytest.approx(0.9)


def test_the_cross_check_counts_what_is_won_in_half_of_the_rounds() -> None:
    # one item is lost in three of five rounds, ten others in one each
    labels, right = np.zeros(20, dtype=np.int64), np.tile([0.9, 0.1], (5, 20, 1))
    ours = right.copy()
    ours[:3, 0] = [0.1, 0.9]
    ours[4, 1:11] = [0.1, 0.9]
    mid_p = compare(ACCURACY, labels, ours, right).mcnemar
    assert mid_p == pytest.approx(0.5)  # of one loss


def test_rounds_that_err_on_different_items_leave_less_to_chance() -> None:
    # one item in ten is lost in every round, or another one in each of five rounds
    rng = np.random.default_rng(0)
    labels, n = np.zeros(200, dtype=np.int64), 200
    right = np.tile([0.9, 0.1], (5, n, 1))
    same, spread = right.copy(), right.copy()
    same[:, ::10] = [0.1, 0.9]
    for k in range(5):
        spread[k, k::10] = [0.1, 0.9]
    other = simulated_hits(rng, np.arange(n) % 10 != 7)
    always, rarely = (compare(ACCURACY, labels, p, other) for p in (same, spread))
    assert always.gap.value == rarely.gap.value == pytest.approx(0.0)
    assert rarely.standard_error < 0.85 * always.standard_error


def test_the_probability_counts_resamples_above_the_threshold() -> None:
    comparison = counted(wins=12, losses=10, n=60)
    above = comparison.draws
    assert comparison.probability_above(0.0) == np.mean(above > 1e-12)
    assert comparison.probability_above(-1.1) == 1
    assert comparison.probability_above(1.0) == 0


def test_the_same_seed_gives_the_same_numbers_and_chunks_do_not_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels, first, second = random_case(1)
    one = compare(ACCURACY, labels, first, second, seed=5)
    monkeypatch.setattr(bootstrap, "_CHUNK_ELEMENTS", 900)
    again = compare(ACCURACY, labels, first, second, seed=5)
    assert np.array_equal(one.draws, again.draws)
    assert one == again
    other = compare(ACCURACY, labels, first, second, seed=6)
    assert not np.array_equal(one.draws, other.draws)


@pytest.mark.parametrize("n", [25, 120])
def test_equally_good_predictors_are_rarely_told_apart(n: int) -> None:
    rng = np.random.default_rng(n)
    labels, replays = np.zeros(n, dtype=np.int64), 300
    positive = negative = 0
    for _ in range(replays):
        chance = rng.beta(4, 1, size=n)  # items differ in difficulty; mean 0.8
        finalist, other = (simulated_hits(rng, hit) for hit in rng.random((2, n)) < chance)
        gap = compare(ACCURACY, labels, finalist, other, draws=500).gap
        positive, negative = positive + (gap.low > 0), negative + (gap.high < 0)
    assert positive <= 0.05 * replays
    assert negative <= 0.05 * replays


def test_the_interval_covers_the_true_gap() -> None:
    rng = np.random.default_rng(0)
    n, replays, covered = 150, 300, 0
    labels = np.zeros(n, dtype=np.int64)
    for _ in range(replays):
        kind = rng.choice(4, size=n, p=[0.6, 0.2, 0.1, 0.1])  # both, finalist, other, none
        finalist = simulated_hits(rng, kind <= 1)
        other = simulated_hits(rng, (kind == 0) | (kind == 2))
        gap = compare(ACCURACY, labels, finalist, other, draws=500).gap
        covered += gap.low <= 0.1 <= gap.high
    assert covered >= 0.92 * replays  # nominal 0.95; two standard errors are 0.025


def test_predictions_of_other_pictures_are_refused() -> None:
    labels, finalist, other = random_case(0)
    with pytest.raises(ValueError, match="of the rival have the shape"):
        compare(ACCURACY, labels, finalist, other[1:])
    with pytest.raises(ValueError, match="in as many rounds"):
        compare(ACCURACY, labels, np.stack([finalist] * 2), np.stack([other] * 3))


def test_copies_of_a_picture_count_once() -> None:
    labels, finalist, other = answers_with(wins=8, losses=3, n=60)
    once = compare(ACCURACY, labels, finalist, other)
    twice = compare(
        ACCURACY,
        np.repeat(labels, 3),
        np.repeat(finalist, 3, axis=0),
        np.repeat(other, 3, axis=0),
        units=np.repeat(np.arange(60), 3),
    )
    assert twice.n == once.n == 60
    assert twice.mcnemar == once.mcnemar
    assert twice.standard_error == pytest.approx(once.standard_error, rel=0.05)
    assert twice.gap.low == pytest.approx(once.gap.low, abs=0.01)
    assert twice.gap.high == pytest.approx(once.gap.high, abs=0.01)


def test_a_unit_that_both_get_half_right_decides_nothing() -> None:
    labels, finalist, other = answers_with(wins=1, losses=1, n=2)
    comparison = compare(ACCURACY, labels, finalist, other, units=["a", "a"])
    assert comparison.n == 1
    assert comparison.mcnemar == 1.0


def test_inflation_moves_every_limit_outwards_by_its_root() -> None:
    labels, finalist, other = answers_with(wins=30, losses=12, n=200)
    plain = compare(ACCURACY, labels, finalist, other)
    wide = compare(ACCURACY, labels, finalist, other, inflation=2.25)
    for name in ("low", "high"):
        moved = getattr(wide.gap, name) - wide.gap.value
        assert moved == pytest.approx(1.5 * (getattr(plain.gap, name) - plain.gap.value))
    assert wide.standard_error == pytest.approx(1.5 * plain.standard_error)
    assert wide.gap.value == plain.gap.value


def test_a_smaller_level_widens_the_interval() -> None:
    labels, finalist, other = answers_with(wins=30, losses=12, n=200)
    plain = compare(ACCURACY, labels, finalist, other)
    careful = compare(ACCURACY, labels, finalist, other, level=0.025 / 4)
    assert careful.gap.low < plain.gap.low
    assert careful.gap.high > plain.gap.high
