from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotransfer.models.mixture_weights import mixture_weights


def test_without_a_prior_the_weights_are_those_of_the_closed_form_of_two_experts() -> None:
    # the first is sure of three items of four, the second of the fourth: w maximises
    # 3 log w + log (1 - w), so w = 3 / 4
    likely = np.array([[1.0, 1.0, 1.0, 1e-6], [1e-6, 1e-6, 1e-6, 1.0]])
    assert mixture_weights(likely, prior=0.0) == pytest.approx([0.75, 0.25], abs=1e-4)


def test_the_prior_counts_as_many_items_that_every_predictor_has_explained() -> None:
    # 3 log w + log (1 - w) + 4 log w (1 - w): w = (3 + 4) / (4 + 8)
    likely = np.array([[1.0, 1.0, 1.0, 1e-6], [1e-6, 1e-6, 1e-6, 1.0]])
    assert mixture_weights(likely, prior=4.0) == pytest.approx([7 / 12, 5 / 12], abs=1e-4)


def test_a_prior_of_its_own_for_each_predictor_decides_where_nothing_was_seen() -> None:
    found = mixture_weights(np.empty((2, 0)), prior=np.array([20.0, 1.0]))
    assert found == pytest.approx([20 / 21, 1 / 21])


def test_a_predictor_that_is_there_twice_changes_the_mixture_of_a_flat_prior_not_at_all() -> None:
    likely = np.random.default_rng(0).uniform(0.1, 1.0, size=(2, 30))
    once = mixture_weights(likely, prior=0.0)
    twice = mixture_weights(likely[[0, 1, 1]], prior=0.0)
    assert once @ likely == pytest.approx(twice @ likely[[0, 1, 1]], abs=5e-3)


@given(st.integers(0, 2**16), st.integers(2, 6), st.integers(1, 40))
def test_the_weights_are_a_maximum_of_the_penalised_likelihood(
    seed: int, sources: int, items: int
) -> None:
    rng = np.random.default_rng(seed)
    likely = rng.uniform(0.05, 1.0, size=(sources, items))

    def objective(weights: np.ndarray) -> float:
        return float(np.log(weights @ likely).sum() + 5.0 * np.log(weights).sum())

    found = mixture_weights(likely, prior=5.0)
    assert found.sum() == pytest.approx(1.0)
    for other in rng.dirichlet(np.ones(sources), size=5):
        near = 0.95 * found + 0.05 * np.maximum(other, 1e-9)
        assert objective(found) >= objective(near / near.sum()) - 1e-6
