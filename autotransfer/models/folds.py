"""One score for several folds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_DECIMALS = 12  # what is left of rounding errors must not put one trial before another


def mean_over_folds(values: Sequence[float], pictures: Sequence[int]) -> float:
    """Return the mean of the folds' scores in which every picture weighs the same.

    For accuracy and log loss it is the score of all out-of-fold predictions together. Trials with
    as many right answers are equal, whichever folds these are in; there the log loss decides.

    Args:
        values: The score of every fold.
        pictures: The number of validation pictures of every fold.
    """
    return round(float(np.average(values, weights=pictures)), _DECIMALS)
