"""Exact limits of a gap, for few items on which two predictors differ.

- *Signs.* Let a_i be what item i adds to g_b (`Metric.credits`), and m = (sum |a_i|)^2 /
  sum a_i^2 the effective number of items that differ. The share of wins p among the m has
  Clopper-Pearson limits, and (2 p - 1) sum |a_i| is the limit of the gap. For accuracy its sign
  is that of the exact McNemar test.
- *Unseen.* A kind of item that did not occur, or rarely, still may: with l of n items
  lost, g_b - (u(l, n) - l / n) bounds the gap, where u is the upper Clopper-Pearson limit
  (3.7 / n for l = 0). Only for metrics that read decisions; exact for accuracy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta


def sign_limit(parts: NDArray[np.float64], level: float) -> float:
    """Return the lower limit of a gap by the signs of what each item adds to it."""
    total = float(np.abs(parts).sum())
    if total <= 0:
        return 0.0
    effective = total**2 / float((parts**2).sum())
    wins = effective * float(parts[parts > 0].sum()) / total
    if wins <= 0:
        return -total
    share = float(beta.ppf(level, wins, max(effective - wins, 0.0) + 1))
    return (2 * share - 1) * total


def unseen(count: int, n: int, level: float) -> float:
    """Return by how much the share behind `count` of n may be higher than it looks."""
    if count == n:
        return 0.0
    return float(beta.ppf(1 - level, count + 1, n - count)) - count / n
