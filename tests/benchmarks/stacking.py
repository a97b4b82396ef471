"""Source stacking: the logits of the probes of several sources mixed, a rule of the record.

It was a strategy until the record showed that the mixture of probes is never worse.

References:
    Wolpert, Stacked generalization, Neural Networks 5, 1992. Weights that are not negative:
    Breiman, Stacked regressions, Machine Learning 24, 1996.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

PRIOR = 10.0  # images' worth of pull towards equal weights


def stack(
    held_out: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weight of each source and the factor on its logits.

    Minimises the mean log loss of softmax(sum_s u_s z_s) over u >= 0, which is convex, plus
    (PRIOR / n) / 2 * ||u - 1 / S||^2. The pull keeps the mixture from becoming
    ever sharper where held-out images are all told apart.

    u itself says little of a source: the logits of one that knows nothing are near zero at its own
    temperature, so that any u does. Weights are shares of the mixed logits, u_s times the size
    (root mean square) of z_s: the mixture on the simplex of logits that were brought to one size.

    Args:
        held_out: (S, n, K) logits z of each source on images that its probe has not seen.
        labels: (n,) classes in [0, K).

    Returns:
        (S,) weights that are not negative and sum to one, and the (S,) factors u on the logits.
        Equal weights and u = 1 / S where every class has one image: nothing can be held out.
    """
    num_sources = len(held_out)
    equal = np.full(num_sources, 1 / num_sources)
    testable = testable_items(labels)
    if not testable.any():
        return equal, equal
    logits, classes = held_out[:, testable], labels[testable]
    n = len(classes)
    rows = np.arange(n)
    pull = PRIOR / n

    def loss(u: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_probabilities = log_softmax(np.tensordot(u, logits, axes=1), axis=1)  # (n, K)
        residual = np.exp(log_probabilities)
        residual[rows, classes] -= 1
        away = u - equal
        value = -log_probabilities[rows, classes].mean() + pull / 2 * away @ away
        return float(value), np.einsum("nk,snk->s", residual, logits) / n + pull * away

    found = minimize(loss, equal, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * num_sources)
    contributions = found.x * np.sqrt(np.square(logits).mean(axis=(1, 2)))
    total = float(contributions.sum())
    if total <= 0:  # no source says anything about held-out images
        return equal, equal
    return contributions / total, found.x


def testable_items(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (n,) whether another image has the same class."""
    alone: NDArray[np.bool_] = np.bincount(labels)[labels] > 1
    return alone
