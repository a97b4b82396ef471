"""How features and attribute rows are brought to scale before a head sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.plugin import heads

Array = NDArray[np.float64]

_SMALLEST = 1e-12
FEATURE_SCALINGS = ("cl2n", "standardise", "none")
ROW_SCALINGS = ("centred", "standardised")


@dataclass(frozen=True)
class Scaling:
    """Rows less a centre, times a scale, and then perhaps of length one.

    Args:
        centre: (d,).
        scale: (d,).
        unit: Whether rows are brought to length one at the end.
    """

    centre: Array
    scale: Array
    unit: bool

    def apply(self, x: NDArray[np.floating]) -> Array:
        """Return the (n, d) rows to scale."""
        found: Array = np.subtract(x, self.centre, dtype=np.float64) * self.scale
        return heads.unit_rows(found) if self.unit else found


def feature_scaling(features: NDArray[np.floating], kind: str) -> Scaling:
    """Return the scaling of (n, d) features, one of `FEATURE_SCALINGS`.

    "cl2n": about the mean, length one (Wang et al., SimpleShot, arXiv:1911.04623).
    "standardise": every feature to mean 0 and std 1, rows divided by the root of d. "none": about
    the mean, divided by the mean length, so that penalties mean the same for all three.
    """
    centre = features.mean(axis=0, dtype=np.float64)
    if kind == "cl2n":
        return Scaling(centre, np.ones_like(centre), unit=True)
    if kind == "standardise":
        std = features.std(axis=0, dtype=np.float64)
        scale = np.where(std > _SMALLEST, 1 / np.maximum(std, _SMALLEST), 0.0)
        return Scaling(centre, scale / np.sqrt(len(centre)), unit=False)
    length = np.linalg.norm(features - centre, axis=1).mean()
    return Scaling(centre, np.full_like(centre, 1 / max(length, _SMALLEST)), unit=False)


def row_scaling(values: Array, kind: str) -> Scaling:
    """Return the scaling of (K, a) attribute rows, one of `ROW_SCALINGS`; length one in both.

    "centred" keeps the units of the table, so wide attributes count for more; "standardised"
    gives every attribute the same weight.
    """
    centre = values.mean(axis=0)
    if kind == "centred":
        return Scaling(centre, np.ones_like(centre), unit=True)
    return Scaling(centre, 1 / np.maximum(values.std(axis=0), _SMALLEST), unit=True)


def share_scaling(seen: Array) -> Scaling:
    """Return the scaling that brings attributes to [0, 1] by the range of the (K, a) seen rows."""
    low, high = seen.min(axis=0), seen.max(axis=0)
    return Scaling(low, 1 / np.maximum(high - low, _SMALLEST), unit=False)
