"""The share of images that are none of the classes, from z-scores of strangeness.

The scores are a mixture of two normal distributions, of which there may be but one. Known images
would have mean 0 and deviation 1, were the target like the source; how far a shift moves and
spreads them is unknown, and so is how far the unknown images lie beyond. All of it is weighed by
how well it explains the scores and how plausible it was before. How far unknown images lie is
measured on classes of the source that are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from autotransfer.models.novelty import HIGHEST, LOWEST

MOST = 0.8  # of the images that may be unknown: beyond, a strange domain explains as much
LEVEL = 0.9  # of the interval
_EDGES = np.linspace(LOWEST, HIGHEST, 46)
_BIN = _EDGES[1] - _EDGES[0]
_SHARES = np.concatenate([[0.0], np.linspace(0.02, MOST, 27)])
_SHIFTS = np.linspace(-1.5, 3.0, 31)  # of the known images
_SPREADS = np.array([0.7, 0.85, 1.0, 1.2])
_BEYOND = np.geomspace(0.2, 6.0, 16)  # how far the unknown images lie beyond the known ones
_WIDTHS = np.array([0.4, 0.7, 1.0, 1.0])  # of the unknown images
_STRANGER = np.array([0.0, 0.0, 0.0, 0.4])  # share of them spread evenly beyond the mean
_NONE_UNKNOWN = 0.6  # probability beforehand that all images are of the classes
_FAR = 0.25  # probability beforehand that unknown images are unlike any class of the source
_OUTLIERS = 0.005  # of the known images: spread evenly over all scores above their mean
_TINY = 1e-6


@dataclass(frozen=True)
class Beforehand:
    """What is taken for plausible before the scores are seen; scales, not limits.

    Args:
        shift: How far known images are moved, Student's t with two degrees of freedom.
        beyond: How far unknown images lie beyond known ones, the median of a log-normal.
        width: Deviation of the unknown images.
        most_counted: Images that count; scores are no normal numbers, so more add nothing.
    """

    shift: float
    beyond: float
    width: float
    most_counted: int


@dataclass(frozen=True)
class UnknownMixture:
    """What the scores say.

    Args:
        share: Mean of the unknown share.
        low: Lower end of its 90 % interval; 0 where there may be no unknown image.
        high: Upper end; `MOST` where it may be more.
        shift: Mean of how far known images are moved.
        probabilities: (B,) of an image to be unknown, by its z-score.
    """

    share: float
    low: float
    high: float
    shift: float
    probabilities: NDArray[np.float64]


def probability_at(
    probabilities: NDArray[np.float64], z: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (n,) what a table of `UnknownMixture` says of (n,) z-scores."""
    edges = np.linspace(LOWEST, HIGHEST, len(probabilities) + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    return np.interp(z, middles, probabilities)


def fit_unknown_mixture(z: NDArray[np.float64], before: Beforehand) -> UnknownMixture:
    """Return the share of unknown images with its interval.

    The posterior is summed over a grid of five numbers, so nothing is drawn and nothing has to
    converge.

    Args:
        z: (n,) z-scores of `Novelty`.
        before: What was plausible.

    References:
        Efron, Large-Scale Simultaneous Hypothesis Testing: the Choice of a Null Hypothesis,
        JASA 99, 2004 (known scores that are moved and spread).
    """
    counts = np.histogram(np.clip(z, LOWEST, HIGHEST), _EDGES)[0].astype(float)
    counts *= min(1.0, before.most_counted / max(len(z), 1))
    prior = _log_prior(before)
    logs = np.empty((len(_SHIFTS), *prior.shape[1:]))
    for i in range(len(_SHIFTS)):  # one shift at a time: all at once take 100 MB
        known, unknown = _densities(i)
        logs[i] = np.log(_mixed(known, unknown)) @ counts + prior[i]
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    of_share = weights.sum(axis=(0, 1, 2, 3))
    below = np.cumsum(of_share)
    low, high = (
        float(_SHARES[min(int(np.searchsorted(below, q)), len(_SHARES) - 1)])
        for q in ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    )
    return UnknownMixture(
        float(of_share @ _SHARES),
        low,
        high,
        float(weights.sum(axis=(1, 2, 3, 4)) @ _SHIFTS),
        _probabilities(weights),
    )


def _probabilities(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (B,) how probably an image with a score is unknown; it never falls with the score."""
    found = np.zeros(len(_EDGES) - 1)
    for i, of_shift in enumerate(weights):
        if of_shift.sum() < _TINY:
            continue
        known, unknown = _densities(i)
        both = _mixed(known, unknown)  # (spread, beyond, width, share, B)
        part = _SHARES[:, None] * unknown[None, :, :, None, :] / both
        found += np.tensordot(of_shift, part, axes=4)
    return np.maximum.accumulate(np.clip(found, 0.0, 1.0))


def _mixed(known: NDArray[np.float64], unknown: NDArray[np.float64]) -> NDArray[np.float64]:
    share = _SHARES[:, None]
    mixed: NDArray[np.float64] = (
        known[:, None, None, None, :] * (1 - share) + unknown[None, :, :, None, :] * share
    )
    return mixed


def _log_prior(before: Beforehand) -> NDArray[np.float64]:
    shift = -1.5 * np.log1p((_SHIFTS / before.shift) ** 2)
    spread = -0.5 * (np.log(_SPREADS) / 0.15) ** 2
    near = np.exp(-0.5 * (np.log(_BEYOND / before.beyond) / 0.5) ** 2) / _BEYOND
    far = _BEYOND > 1
    width = np.exp(-0.5 * ((_WIDTHS - before.width) / 0.25) ** 2)  # (W,)
    beyond = (1 - _FAR) * near / near.sum() + _FAR * far / far.sum()
    spread_out = _STRANGER > 0  # only what lies far is also spread out
    lies = np.where(spread_out, (_FAR * far / far.sum())[:, None], beyond[:, None] * width)
    share = np.full(len(_SHARES), (1 - _NONE_UNKNOWN) / (len(_SHARES) - 1))
    share[0] = _NONE_UNKNOWN
    found: NDArray[np.float64] = (
        shift[:, None, None, None, None]
        + spread[:, None, None, None]
        + np.log(lies + _TINY**2)[:, :, None]
        + np.log(share)
    )
    return found


@cache
def _densities(i: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (spread, B) of known and (beyond, width, B) of unknown images, at the i-th shift."""
    at = _SHIFTS[i]
    known = (1 - _OUTLIERS) * _binned(at, _SPREADS[:, None]) + _OUTLIERS * _evenly(np.array([at]))
    middle = at + _BEYOND[:, None, None]
    unknown = _binned(middle, _WIDTHS[:, None])
    stranger = _STRANGER[:, None]
    return known, (1 - stranger) * unknown + stranger * _evenly(middle)


def _evenly(start: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shares of the bins where scores spread evenly from (..., 1) starts upwards."""
    below = np.clip((_EDGES - start) / np.maximum(HIGHEST - start, _BIN), 0.0, 1.0)
    below[..., -1] = 1.0
    return np.diff(below, axis=-1)


def _binned(
    mean: NDArray[np.float64] | float, deviation: NDArray[np.float64]
) -> NDArray[np.float64]:
    from scipy.stats import norm

    below = norm.cdf((_EDGES - mean) / deviation)
    below[..., 0], below[..., -1] = 0.0, 1.0
    return np.diff(below, axis=-1) + _TINY
