"""How many of a set of images are none of the classes, and which: the set is judged as a whole.

Each image has a p-value: the share of known images that look at least as strange. Known images
spread evenly over (0, 1), whatever they look like; unknown ones crowd at 0. How many more there
are than evenly spread ones could be is a lower limit of the unknown share, and needs no idea of
what the unknown looks like. An upper limit there is none: an image of an unknown class may look
like one of a known class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST = 50  # images; fewer are not judged as a whole
_LIMITS = np.linspace(0.01, 0.6, 60)  # p-values at which the images below are counted
_Z = 3.0  # standard errors: at most 4.5 % of 1500 closed sets pass, at any size from 60 to 1000
_COUNTED = 3  # known images expected below a limit, so that a count is nearly normal
_TAIL = 0.9  # quantile of known images from which on their scores are taken to fall exponentially


@dataclass(frozen=True)
class Unknown:
    """What is known of the unknown among n images.

    Args:
        least: Lower 95 % limit of their share; 0 where there may be none.
        probability: (n,) of each image to be none of the classes; 0 where there may be none.
    """

    least: float
    probability: NDArray[np.float64]


def judged_together(p_values: NDArray[np.float64], num_known: int) -> Unknown:
    """Return the least share of unknown images, and the probability of each to be one.

    Args:
        p_values: (n,) in (0, 1].
        num_known: Known images that the p-values were taken from.

    References:
        Meinshausen and Rice, Estimating the Proportion of False Null Hypotheses, Annals of
        Statistics 34(1), 2006 (the limit). Efron et al., Empirical Bayes Analysis of a Microarray
        Experiment, JASA 96, 2001, with the density of Grenander, 1956 (the probability).
    """
    n = len(p_values)
    if n < FEWEST:
        return Unknown(0.0, np.zeros(n))
    limits = _LIMITS[_LIMITS * min(n, num_known) >= _COUNTED]
    below = (p_values[:, None] <= limits).mean(axis=0)
    error = np.sqrt(limits * (1 - limits) * (1 / n + 1 / num_known))
    least = float(max(0.0, ((below - limits - _Z * error) / (1 - limits)).max()))
    if not least:
        return Unknown(0.0, np.zeros(n))
    known = (1 - least) / falling_density(p_values)
    return Unknown(least, np.clip(1 - known, 0.0, 1.0))


def falling_density(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (n,) density at values in (0, 1], the most probable one that never rises.

    References:
        Grenander, On the Theory of Mortality Measurement, 1956: the slope of the least concave
        function above the empirical distribution.
    """
    x, counts = np.unique(values, return_counts=True)
    x, heights = np.append(0.0, x), np.append(0.0, np.cumsum(counts) / len(values))
    if x[-1] < 1:
        x, heights = np.append(x, 1.0), np.append(heights, 1.0)
    hull = [0]
    for i in range(1, len(x)):
        while len(hull) > 1 and _slope(x, heights, hull[-2], i) >= _slope(x, heights, *hull[-2:]):
            hull.pop()
        hull.append(i)
    slopes = np.diff(heights[hull]) / np.diff(x[hull])
    found: NDArray[np.float64] = slopes[np.searchsorted(x[hull], values, side="left") - 1]
    return np.maximum(found, 1e-12)


def _slope(x: NDArray[np.float64], y: NDArray[np.float64], i: int, j: int) -> float:
    return float((y[j] - y[i]) / (x[j] - x[i]))


def surprise(known: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,) minus the logarithm of the share of known images with such a score or a larger.

    Beyond nine tenths of the known images the shares fall exponentially, as their own do on the
    average, so that what is farther away than any of them still differs.

    Args:
        known: (m,) scores of known images.
        scores: (n,) scores; larger is stranger.
    """
    ordered = np.sort(known)
    share = (1 + len(ordered) - np.searchsorted(ordered, scores, side="left")) / (len(known) + 1)
    edge = float(np.quantile(ordered, _TAIL))
    beyond = ordered[ordered > edge]
    excess = max(float((beyond - edge).mean()) if len(beyond) else 0.0, 1e-9)
    tail = -np.log(1 - _TAIL) + (scores - edge) / excess
    return np.where(scores > edge, tail, -np.log(share))


def p_values(known: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,) shares of known images that are at least as strange, in (0, 1].

    Args:
        known: (m,) scores of known images.
        scores: (n,) scores; larger is stranger.
    """
    ordered = np.sort(known)
    above = len(ordered) - np.searchsorted(ordered, scores, side="left")
    return (1 + above) / (len(ordered) + 1)
