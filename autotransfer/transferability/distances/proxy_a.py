"""Proxy A-distance: how well a linear classifier tells the domains apart."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from autotransfer.models.linear_algebra import Array
from autotransfer.transferability.distances.samples import SEED, Samples

FOLDS = 5
MAXIMUM_ITERATIONS = 2000


def proxy_a_distance(samples: Samples) -> float:
    """Return 2 (1 - 2 err) of held-out domain prediction, clipped to [0, 2].

    Cross-fitted in five folds on equally many images of each set. In many features nearly any
    two sets separate: read it beside `proxy_a_null`.

    References:
        Ben-David et al., Analysis of Representations for Domain Adaptation, NIPS 2006;
        Ganin et al., JMLR 17, 2016.
    """
    samples.require("proxy-a-distance", FOLDS)
    n = min(len(samples.left), len(samples.right))
    pooled = np.concatenate([samples.left[:n], samples.right[:n]])
    return _distance(pooled, np.repeat([0, 1], n))


def proxy_a_null(samples: Samples, seed: int = SEED) -> float:
    """Return the same for a random split of the pooled images: the value of no difference."""
    samples.require("proxy-a-null", FOLDS)
    n = min(len(samples.left), len(samples.right))
    pooled = np.concatenate([samples.left[:n], samples.right[:n]])
    # with a stream of its own: sets that were made by a permutation with the same seed would
    # otherwise meet that permutation again
    side = np.random.default_rng((seed, n, 2)).permutation(np.repeat([0, 1], n))
    return _distance(pooled, side)


def _distance(pooled: Array, side: NDArray[np.int64]) -> float:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    hits = 0
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    for train, held_out in folds.split(pooled, side):
        classifier = make_pipeline(
            StandardScaler(), LogisticRegression(C=1.0, max_iter=MAXIMUM_ITERATIONS)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # good enough for an error rate
            classifier.fit(pooled[train], side[train])
        hits += int((classifier.predict(pooled[held_out]) == side[held_out]).sum())
    error = 1 - hits / len(side)
    return float(np.clip(2 * (1 - 2 * error), 0.0, 2.0))
