"""Ranks of numbers, as scipy.stats has them, which takes a second to import."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def average_ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Return the (n,) ranks from 1 on, of the least first; equal values share the mean of theirs.

    Args:
        values: (n,) numbers.
    """
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (counts.cumsum() - (counts - 1) / 2)[places]
    return ranks
