"""How likely an item is told right, from its margin: a count of few items is a coarse measure.

The margin is the score of an item's own class less the best other score; the item is right where
it is positive. The distribution of the margins is smoothed by a normal kernel that keeps mean and
variance (smoothed bootstrap: Silverman and Young, Biometrika 74, 1987). The share of right answers
is nearer to the truth than a count, and an error is never none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

BANDWIDTH = 1.06  # times the deviation and n ** -0.2: Silverman's rule for a normal distribution


def likely_right(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,) how likely each item is right; their mean is the smoothed accuracy.

    Args:
        margins: (n,) score of the own class less the best other one; n is one or more.
    """
    middle, spread = margins.mean(), margins.std()
    if spread < 1e-12:
        return (margins > 0).astype(np.float64)
    relative = BANDWIDTH * len(margins) ** -0.2
    kept = np.sqrt(1 + relative**2)  # what the kernel adds to the variance is taken from the items
    shrunk = middle + (margins - middle) / kept
    likely: NDArray[np.float64] = ndtr(shrunk * kept / (spread * relative))
    return likely


def margins_of(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (n,) the score of each item's own class less the best other one.

    Args:
        scores: (n, K); K is two or more.
        labels: (n,) classes in [0, K).
    """
    own = np.arange(len(labels)), labels
    others = scores.copy()
    others[own] = -np.inf
    margins: NDArray[np.float64] = scores[own] - others.max(axis=1)
    return margins
