"""Exact limits of a gap, for few items on which two predictors differ.

- *Signs.* Let a_i be what item i adds to g_b (`Metric.credits`), and m = (sum |a_i|)^2 /
  sum a_i^2 the effective number of items that differ. The share of wins p among the m has
  Clopper-Pearson limits, and (2 p - 1) sum |a_i| is the limit of the gap. For accuracy its sign
  is that of the exact McNemar test.
- *Unseen.* A kind of item that did not occur, or rarely, still may: with l of n items
  lost, g - (u(l, n) - l / n) bounds the gap, where u is the upper Clopper-Pearson limit
  (3.7 / n for l = 0). Only for metrics that read decisions; exact for accuracy. Items that are
  lost in some of the rounds only, by c_i, count as so many as vary alike: as
  (sum c_i)^2 / sum c_i^2 of the size sum c_i^2 / sum c_i. The limit is never nearer than that of
  those alone which are lost in all rounds.

References:
    Bohm and Zech, Statistics of weighted Poisson events, NIM A 748, 2014 (the items lost in part).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincc, betaincinv


def sign_limit(parts: NDArray[np.float64], level: float) -> float:
    """Return the lower limit of a gap by the signs of what each item adds to it."""
    total = float(np.abs(parts).sum())
    if total <= 0:
        return 0.0
    effective = total**2 / float((parts**2).sum())
    wins = effective * float(parts[parts > 0].sum()) / total
    if wins <= 0:
        return -total
    share = float(betaincinv(wins, max(effective - wins, 0.0) + 1, level))
    return (2 * share - 1) * total


def unseen(lost: NDArray[np.float64], level: float) -> float:
    """Return by how much the mean of what is lost may be higher than it looks.

    Args:
        lost: (n,) of each unit, in [0, 1].
        level: Error of the limit.
    """
    n, whole = len(lost), int((lost >= 1).sum())
    total, squares = float(lost.sum()), float((lost**2).sum())
    if total <= 0:
        return _above(0, n, level)
    size = squares / total
    return max(_above(whole, n, level), size * _above(total / size, n, level))


def mcnemar(wins: int, losses: int) -> float:
    """Return the two-sided mid-p of the exact McNemar test; 1 where nothing is won or lost.

    References:
        Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13, 2013.
    """
    decided, fewer = wins + losses, min(wins, losses)
    if decided == 0:
        return 1.0
    at_most = betaincc(fewer + 1, decided - fewer, 0.5)
    below = betaincc(fewer, decided - fewer + 1, 0.5) if fewer > 0 else 0.0
    return float(min(1.0, at_most + below))  # twice the mean of the two


def _above(count: float, n: int, level: float) -> float:
    """Return by how much the share behind `count` of n may be higher than it looks."""
    if count >= n:
        return 0.0
    return float(betaincinv(count + 1, n - count, 1 - level)) - count / n
