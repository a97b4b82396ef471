"""How often each class occurs among items without labels, from the answers of a classifier.

Both estimates hold where the items of a class look the same in both domains and only the shares
of the classes differ (label shift).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

PRIOR_ITEMS = 5.0  # that the shares of the source count as
_MOST_STEPS = 500
_TOLERANCE = 1e-6  # total change of the shares in a step
_SUM = 10.0  # weight of the equation that says that shares add up to one


def em_shares(
    probabilities: NDArray[np.float64],
    prior: NDArray[np.float64],
    start: NDArray[np.float64] | None = None,
    prior_items: float = PRIOR_ITEMS,
) -> NDArray[np.float64]:
    """Return the (K,) class shares that make the answers most probable, shrunk to the prior.

    Args:
        probabilities: (n, K) calibrated answers of a classifier that learnt under the prior.
        prior: (K,) shares of the classes that it learnt from.
        start: (K,) where to begin; None begins with the prior.
        prior_items: What the prior counts as; 0 is maximum likelihood.

    References:
        Saerens, Latinne and Decaestecker, Adjusting the Outputs of a Classifier to New a Priori
        Probabilities, Neural Computation 14(1), 2002. Calibration first: Alexandari, Kundaje and
        Shrikumar, Maximum Likelihood with Bias-Corrected Calibration, ICML 2020.
    """
    ratios = probabilities / np.maximum(prior, 1e-12)
    shares = prior.copy() if start is None else start
    for _ in range(_MOST_STEPS):
        given = ratios * shares
        given /= np.maximum(given.sum(axis=1, keepdims=True), 1e-300)
        found = given.sum(axis=0) + prior_items * prior
        found /= found.sum()
        moved = np.abs(found - shares).sum()
        shares = found
        if moved < _TOLERANCE:
            break
    return shares


def bbse_shares(
    probabilities: NDArray[np.float64],
    known: NDArray[np.float64],
    labels: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the (K,) class shares that explain the mean answer by those to each class.

    A class without a labelled item has the share 0.

    Args:
        probabilities: (n, K) answers to the items without labels.
        known: (m, K) answers to labelled items that the classifier did not learn from.
        labels: (m,) their classes.

    References:
        Lipton, Wang and Smola, Detecting and Correcting for Label Shift with Black Box
        Predictors, ICML 2018, arXiv:1802.03916; soft answers, and shares that are not negative.
    """
    num_classes = probabilities.shape[1]
    said = np.zeros((num_classes, num_classes))  # [j, k]: what is said of j, of an item of k
    for k in np.unique(labels):
        said[:, k] = known[labels == k].mean(axis=0)
    rows = np.vstack([said, np.full(num_classes, _SUM)])
    shares, _ = nnls(rows, np.append(probabilities.mean(axis=0), _SUM))
    return shares / max(float(shares.sum()), 1e-12)
