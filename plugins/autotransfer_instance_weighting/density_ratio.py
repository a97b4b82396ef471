"""The density ratio of target to source, from a classifier that tells the two apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST_WEIGHT, MOST_WEIGHT = 0.05, 20.0
PENALTY_C = 1.0  # for coordinates of about unit variance
_FOLDS = 5
_SMALLEST = 1e-12


def density_ratio(
    source: NDArray[np.floating], target: NDArray[np.floating], *, seed: int = 0
) -> NDArray[np.float64]:
    """Return (n_s,) weights of mean 1, proportional to p_target(x) / p_source(x).

    By Bayes' rule the ratio is p(target | x) / p(source | x) times n_s / n_t. The probabilities
    are those of a logistic regression that was fitted without the row; the ratio is clipped to
    [0.05, 20], so that no row carries everything, and scaled.

    Args:
        source: (n_s, d) with n_s >= 2.
        target: (n_t, d) with n_t >= 2.
        seed: Divides the rows into folds.

    References:
        Bickel, Brueckner and Scheffer, Discriminative Learning for Differing Training and Test
        Distributions, ICML 2007.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    n_source, n_target = len(source), len(target)
    x = np.concatenate([source, target])
    of_target = np.repeat([0, 1], [n_source, n_target])
    folds = StratifiedKFold(min(_FOLDS, n_source, n_target), shuffle=True, random_state=seed)
    probability = np.empty(len(x))
    for fitted, held_out in folds.split(x, of_target):
        classifier = LogisticRegression(C=PENALTY_C).fit(x[fitted], of_target[fitted])
        probability[held_out] = classifier.predict_proba(x[held_out])[:, 1]
    odds = probability[:n_source] / np.maximum(1 - probability[:n_source], _SMALLEST)
    ratio = np.clip(odds * n_source / n_target, LEAST_WEIGHT, MOST_WEIGHT)
    weights: NDArray[np.float64] = ratio / ratio.mean()
    return weights
