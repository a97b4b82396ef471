"""The share of unknown images, from scores whose mixture is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from autotransfer.models.unknown_mixture import (
    MOST,
    Beforehand,
    UnknownMixture,
    fit_unknown_mixture,
    probability_at,
)

ALIKE = Beforehand(shift=0.1, beyond=1.5, width=0.7, most_counted=400)
APART = Beforehand(shift=0.4, beyond=1.5, width=0.7, most_counted=200)


def scores(n: int, share: float, seed: int, *, moved: float = 0.0) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    unknown = generator.random(n) < share
    return moved + np.where(unknown, generator.normal(2.2, 0.7, n), generator.normal(size=n))


def found(share: float, seed: int, before: Beforehand = ALIKE, **how: float) -> UnknownMixture:
    return fit_unknown_mixture(scores(400, share, seed, **how), before)


def test_known_images_alone_need_no_second_component() -> None:
    closed = [found(0.0, seed) for seed in range(10)]
    assert [one.low for one in closed] == [0.0] * 10
    assert max(one.share for one in closed) < 0.05


def test_the_interval_holds_the_share_and_is_narrow() -> None:
    for share in (0.1, 0.3, 0.5):
        told = [found(share, seed) for seed in range(8)]
        assert sum(one.low <= share <= one.high for one in told) >= 7
        assert np.mean([one.high - one.low for one in told]) < 0.25
        assert np.mean([one.share for one in told]) == pytest.approx(share, abs=0.06)


def test_known_images_that_are_moved_a_little_are_not_taken_for_unknown_ones() -> None:
    moved = [found(0.0, seed, APART, moved=0.5) for seed in range(8)]
    assert [one.low for one in moved] == [0.0] * 8
    assert np.mean([one.shift for one in moved]) == pytest.approx(0.5, abs=0.15)


def test_the_probability_is_bayes_rule_and_never_falls() -> None:
    one = found(0.3, 0)
    assert (np.diff(one.probabilities) >= 0).all()
    z = np.array([-1.0, 1.1, 2.5, 6.0])
    known, unknown = np.exp(-(z**2) / 2), np.exp(-(((z - 2.2) / 0.7) ** 2) / 2) / 0.7
    bayes = 0.3 * unknown / (0.3 * unknown + 0.7 * known)
    said = probability_at(one.probabilities, z)
    assert said[:3] == pytest.approx(bayes[:3], abs=0.15)
    assert said[3] > 0.95
    assert probability_at(found(0.0, 1).probabilities, z)[:2].max() < 0.1


def test_where_all_are_strange_the_share_is_not_below_the_most_that_is_told() -> None:
    far = fit_unknown_mixture(np.random.default_rng(0).normal(4, 0.5, 300), ALIKE)
    assert far.high == MOST or far.shift > 1


def test_more_images_than_count_change_nothing_but_noise() -> None:
    z = scores(400, 0.3, 0)
    once, often = (fit_unknown_mixture(x, ALIKE) for x in (z, np.tile(z, 5)))
    assert (often.low, often.high, often.share) == pytest.approx((once.low, once.high, once.share))
