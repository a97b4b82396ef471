"""The baselines together: a mixture, weighted by what each said of pictures it never learnt from.

With a few dozen labels nobody can tell which baseline is the best one, and the wrong choice costs
points. A mixture loses little against the best in hindsight. The finalist may be an ensemble of
trials, so it is fair that the baselines may stand together as well.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Predictions = NDArray[np.float64]

PRIOR = 5.0  # pictures that each baseline is thought to have explained before any is seen
LEAST = 0.05  # of the weight; less is not worth the training
_ROUNDS = 100
_FLOOR = 1e-6


def mixture_weights(
    said: Mapping[str, Predictions], labels: NDArray[np.int64]
) -> dict[str, float]:
    """Return the weight of each baseline in the mixture; they sum to one.

    Maximum a posteriori by expectation maximisation: a baseline weighs as many pictures as it
    explains, beside `PRIOR` ones in advance. What weighs less than `LEAST` is left out.

    Args:
        said: (m, K) predictions of each baseline by its name.
        labels: (m,) classes.

    References:
        Dempster, Laird and Rubin, Maximum likelihood from incomplete data via the EM algorithm,
        JRSS B 39, 1977, section 4.3 (finite mixtures).
    """
    rows = np.arange(len(labels))
    likely = np.stack([np.maximum(p[rows, labels], _FLOOR) for p in said.values()])  # (B, m)
    weights = np.full(len(likely), 1 / len(likely))
    for _ in range(_ROUNDS):
        shares = weights[:, None] * likely
        shares /= shares.sum(axis=0)
        weights = shares.sum(axis=1) + PRIOR
        weights /= weights.sum()
    weights[weights < LEAST] = 0.0
    weights /= weights.sum()
    pairs = zip(said, weights.tolist(), strict=True)
    return {name: weight for name, weight in pairs if weight > 0}


def mix(said: Mapping[str, Predictions], weights: Mapping[str, float]) -> Predictions:
    """Return the weighted mean of predictions."""
    mean: Predictions = np.sum([w * said[name] for name, w in weights.items()], axis=0)
    return mean


def mixed_out_of_fold(
    said: Mapping[str, Predictions], folds: NDArray[np.int64], labels: NDArray[np.int64]
) -> Predictions:
    """Return what the mixture says of every picture, its weights chosen by the other folds.

    Args:
        said: (m, K) out-of-fold predictions of each baseline by its name.
        folds: (m,) the fold that held each picture out.
        labels: (m,) classes.
    """
    found = np.empty_like(next(iter(said.values())))
    for fold in np.unique(folds):
        inside = folds != fold
        weights = mixture_weights({n: p[inside] for n, p in said.items()}, labels[inside])
        found[~inside] = mix({n: p[~inside] for n, p in said.items()}, weights)
    return found
