"""The weights of a mixture of predictors, by expectation maximisation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 100
_FLOOR = 1e-6  # of a probability: one certain and wrong answer must not silence a predictor


def mixture_weights(
    likely: NDArray[np.float64], *, prior: float | NDArray[np.float64], least: float = 0.0
) -> NDArray[np.float64]:
    """Return the maximum a posteriori weights of a mixture, (S,), which sum to one.

    A predictor weighs as many items as it explains, beside `prior` ones in advance: a Dirichlet
    prior with the parameter prior + 1. The objective is concave, so that there is one maximum.

    Args:
        likely: (S, m) probability that each of S predictors gave to the class of each of m items
            that it had not learnt from.
        prior: Items that each predictor is taken to have explained before any is seen, one
            number for all or (S,); the greater, the nearer are the weights to its shares.
        least: A smaller weight becomes zero.

    References:
        Dempster, Laird and Rubin, Maximum likelihood from incomplete data via the EM algorithm,
        JRSS B 39, 1977, section 4.3 (finite mixtures).
    """
    bounded = np.maximum(likely, _FLOOR)
    weights = np.full(len(bounded), 1 / len(bounded))
    for _ in range(_ROUNDS):
        explained = bounded @ (1 / (weights @ bounded))  # by each, as shares of its weight
        weights = weights * explained + prior
        weights /= weights.sum()
    if least:
        weights[weights < least] = 0.0
        weights /= weights.sum()
    return weights
