from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import linalg
from scipy.spatial.distance import jensenshannon
from scipy.stats import energy_distance, wasserstein_distance

from autotransfer.errors import InvalidTargetError, UndefinedScoreError, UnknownNameError
from autotransfer.transferability.distances import MEASURES, Samples, describe, domain_distance
from autotransfer.transferability.distances.mmd import mmd, mmd_p_value

Array = NDArray[np.float64]
NAMES = tuple(MEASURES)
SYMMETRIC = tuple(n for n in NAMES if n not in ("mmd-p-value", "proxy-a-null", "proxy-a-distance"))


def draw(seed: int, n: int = 40, d: int = 5, shift: float = 0.0) -> Array:
    return np.random.default_rng(seed).normal(shift, 1.0, size=(n, d))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(40, 30, 5), (12, 20, 50)]))
def test_distances_are_symmetric(seed: int, shape: tuple[int, int, int]) -> None:
    n, m, d = shape
    left, right = draw(seed, n, d), draw(seed + 1, m, d, shift=0.5)
    names = list(SYMMETRIC)
    assert domain_distance(left, right, names) == pytest.approx(
        domain_distance(right, left, names), rel=1e-6, abs=1e-9
    )


@pytest.mark.parametrize("name", ["coral", "frechet", "energy", "sliced-wasserstein"])
@pytest.mark.parametrize("d", [5, 80])
def test_a_set_is_at_no_distance_from_itself(name: str, d: int) -> None:
    sample = draw(0, d=d)
    assert domain_distance(sample, sample, [name])[name] == pytest.approx(0.0, abs=1e-6)


def test_js_divergence_of_a_set_from_itself_and_from_another_range() -> None:
    low, high = draw(0), draw(1) + 100
    assert domain_distance(low, low, ["js-divergence"])["js-divergence"] == 0
    assert domain_distance(low, high, ["js-divergence"])["js-divergence"] == pytest.approx(1.0)


def test_js_divergence_is_the_square_of_the_distance_in_bits() -> None:
    left, right = draw(0, d=1), draw(1, d=1, shift=1.0)
    span = (min(left.min(), right.min()), max(left.max(), right.max()))
    first, second = (np.histogram(side, bins=32, range=span)[0] for side in (left, right))
    found = domain_distance(left, right, ["js-divergence"])["js-divergence"]
    assert found == pytest.approx(jensenshannon(first, second, base=2) ** 2)


def test_frechet_of_shifted_sets_is_the_squared_shift() -> None:
    sample = draw(0)
    found = domain_distance(sample, sample + np.array([3.0, 4.0, 0, 0, 0]), ["frechet"])
    assert found["frechet"] == pytest.approx(25.0)


@pytest.mark.parametrize("d", [3, 60])
def test_coral_equals_the_covariances_written_out(d: int) -> None:
    left, right = draw(0, d=d), 1.5 * draw(1, n=30, d=d)
    gap = np.cov(left, rowvar=False) - np.cov(right, rowvar=False)
    found = domain_distance(left, right, ["coral"])["coral"]
    assert found == pytest.approx(linalg.norm(gap) ** 2 / (4 * d**2))


def test_energy_in_one_dimension_is_the_square_of_scipys() -> None:
    left, right = draw(0, d=1), draw(1, n=25, d=1, shift=1.0)
    found = domain_distance(left, right, ["energy"])["energy"]
    assert found == pytest.approx(energy_distance(left[:, 0], right[:, 0]) ** 2)


def test_sliced_wasserstein_in_one_dimension_is_the_transport() -> None:
    left, right = draw(0, d=1), draw(1, d=1, shift=2.0)
    expected = float(np.sqrt(((np.sort(left[:, 0]) - np.sort(right[:, 0])) ** 2).mean()))
    found = domain_distance(left, right, ["sliced-wasserstein"])["sliced-wasserstein"]
    assert found == pytest.approx(expected)
    assert found >= wasserstein_distance(left[:, 0], right[:, 0]) - 1e-12  # W2 >= W1


def test_mmd_by_hand() -> None:
    # squared distances of 0, 2 | 4, 6 are 4, 16, 36, 4, 16, 4: their median is 10
    samples = Samples.of([[0.0], [2.0]], [[4.0], [6.0]])

    def kernel(square: float) -> float:
        return float(np.exp(-square / 20))

    across = (kernel(16) + kernel(36) + kernel(4) + kernel(16)) / 4
    assert mmd(samples) == pytest.approx(2 * kernel(4) - 2 * across)


def test_the_p_value_is_small_for_shifted_sets_and_not_for_equal_ones() -> None:
    shifted = mmd_p_value(Samples.of(draw(0), draw(1, shift=2.0)))
    assert shifted == pytest.approx(1 / 201)  # no split in 200 is as large
    drawn = [mmd_p_value(Samples.of(draw(2 * s), draw(2 * s + 1))) for s in range(30)]
    assert 0.25 < float(np.mean(drawn)) < 0.75  # uniform under the null


def test_proxy_a_distance_is_two_for_separable_sets_and_its_null_near_zero() -> None:
    found = domain_distance(draw(0), draw(1) + 50, ["proxy-a-distance", "proxy-a-null"])
    assert found["proxy-a-distance"] == 2.0
    assert 0.0 <= found["proxy-a-null"] < 0.8


def test_large_sets_are_cut_for_pairwise_measures() -> None:
    samples = Samples.of(draw(0, n=2500, d=2), draw(1, n=100, d=2))
    assert [len(side) for side in samples.pairwise] == [2000, 100]
    again = Samples.of(draw(0, n=2500, d=2), draw(1, n=100, d=2))
    np.testing.assert_array_equal(samples.pairwise[0], again.pairwise[0])


def test_every_measure_has_a_finite_value_and_keeps_its_input() -> None:
    left, right = draw(0), draw(1)
    kept = left.copy()
    found = domain_distance(left, right)
    assert tuple(found) == NAMES
    assert np.isfinite(list(found.values())).all()
    np.testing.assert_array_equal(left, kept)


def test_a_named_measure_that_is_undefined_raises_and_others_are_left_out() -> None:
    left, right = draw(0, n=3), draw(1, n=3)
    with pytest.raises(UndefinedScoreError, match="at least 5 images"):
        domain_distance(left, right, ["proxy-a-distance"])
    assert "proxy-a-distance" not in domain_distance(left, right)
    with pytest.raises(UndefinedScoreError, match="same features"):
        domain_distance(np.ones((4, 2)), np.ones((4, 2)), ["mmd"])


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        (np.ones(3), np.ones((3, 2)), "first sample must be a matrix"),
        (np.ones((3, 2)), np.ones((0, 2)), "second sample"),
        (np.ones((3, 2)), np.ones((3, 4)), "2 and 4 features"),
        (np.full((3, 2), np.nan), np.ones((3, 2)), "infinite or NaN"),
    ],
)
def test_unusable_samples_are_refused(left: Array, right: Array, message: str) -> None:
    with pytest.raises(InvalidTargetError, match=message):
        domain_distance(left, right)


def test_an_unknown_measure_is_told_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="'fid'; available: mmd"):
        domain_distance(draw(0), draw(1), ["fid"])


def test_halves_of_one_set_are_near_and_other_sets_far() -> None:
    same = describe(domain_distance(draw(0, n=400), draw(1, n=400)))
    assert same.startswith("The two sets are near")
    assert "the measures agree" in same
    apart = describe(domain_distance(draw(0, n=400), draw(1, n=400) + 5))
    assert apart.startswith("The two sets are far apart")


def test_the_sentence_names_the_measures_that_disagree() -> None:
    values = {
        "mmd": 0.2,
        "mmd-p-value": 0.005,
        "js-divergence": 0.04,
        "proxy-a-distance": 2.0,
        "proxy-a-null": 0.1,
    }
    assert describe(values) == (
        "The two sets are far apart (mmd 0.2 [p = 0.005], proxy-a-distance 2 "
        "[random split 0.1]), but js-divergence 0.04 says near."
    )


def test_a_difference_that_may_be_chance_is_near() -> None:
    assert describe({"mmd": 0.3, "mmd-p-value": 0.4}).startswith("The two sets are near (mmd 0.3")


def test_no_words_without_a_measure_that_has_a_scale() -> None:
    with pytest.raises(UndefinedScoreError, match="got coral"):
        describe({"coral": 1.0})
