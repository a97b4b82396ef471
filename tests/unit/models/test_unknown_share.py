"""How many images are none of the classes: never too many, and each with its probability."""

from __future__ import annotations

import numpy as np
import pytest

from autotransfer.models.unknown_share import (
    FEWEST,
    falling_density,
    judged_together,
    p_values,
    surprise,
)


def test_p_values_are_the_shares_of_known_images_that_are_as_strange() -> None:
    known = np.array([1.0, 2.0, 3.0, 4.0])
    assert p_values(known, np.array([0.0, 2.5, 4.0, 9.0])).tolist() == [1.0, 0.6, 0.4, 0.2]


def test_beyond_the_known_images_the_surprise_goes_on_growing() -> None:
    known = np.random.default_rng(0).exponential(size=2000)
    at = np.array([0.5, 2.0, 4.0, 12.0, 24.0])
    np.testing.assert_allclose(surprise(known, at), at, rtol=0.15)  # minus log of exp(-x)


def test_known_images_that_are_all_alike_surprise_nobody() -> None:
    assert np.isfinite(surprise(np.ones(30), np.array([0.5, 1.0, 2.0]))).all()


@pytest.mark.parametrize("seed", range(5))
def test_where_all_images_are_known_nothing_is_said(seed: int) -> None:
    found = judged_together(np.random.default_rng(seed).uniform(size=400), 400)
    assert found.least == 0.0
    assert not found.probability.any()


@pytest.mark.parametrize(("num_known", "n"), [(300, 300), (300, 80), (80, 600)])
def test_the_limit_holds_on_95_of_100_closed_sets_and_more(num_known: int, n: int) -> None:
    generator = np.random.default_rng(1)
    said = 0
    for _ in range(1000):
        known, new = generator.normal(size=num_known), generator.normal(size=n)
        said += judged_together(p_values(known, new), num_known).least > 0
    assert said <= 50


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_most_of_what_is_clearly_strange_is_counted_and_never_more_than_there_is(
    share: float,
) -> None:
    generator = np.random.default_rng(3)
    n = 500
    strange = np.arange(n) < share * n
    p = np.where(strange, 0.002 * generator.uniform(size=n), generator.uniform(size=n))
    found = judged_together(p, 1000)
    assert share - 0.08 < found.least <= share
    assert (found.probability[strange] > 0.5).all()
    assert (found.probability[~strange] > 0.5).mean() < 0.03


def test_a_few_images_are_not_judged_together() -> None:
    found = judged_together(np.full(FEWEST - 1, 1e-3), 300)
    assert found.least == 0.0
    assert found.probability.tolist() == [0.0] * (FEWEST - 1)


def test_the_density_is_the_slope_of_the_least_concave_function_above_the_counts() -> None:
    # counts: half below 0.1, a quarter to 0.5, the rest to 1: slopes 5, 0.625 and 0.5
    values = np.array([0.1, 0.1, 0.5, 1.0])
    np.testing.assert_allclose(falling_density(values), [5.0, 5.0, 0.625, 0.5])
    # nothing below 0.8, all between: one slope to there, and none beyond
    np.testing.assert_allclose(falling_density(np.array([0.7, 0.8])), [1.25, 1.25])
