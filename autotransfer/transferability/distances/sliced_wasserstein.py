"""Sliced 2-Wasserstein distance."""

from __future__ import annotations

import numpy as np

from autotransfer.models.linear_algebra import Array
from autotransfer.transferability.distances.samples import SEED, Samples

PROJECTIONS = 64


def sliced_wasserstein(samples: Samples, seed: int = SEED) -> float:
    """Return the root mean square 2-Wasserstein distance over 64 fixed directions.

    In feature units. The directions depend on the seed and the width alone, so that values of
    one backbone compare.

    References:
        Bonneel et al., Sliced and Radon Wasserstein Barycenters of Measures, Journal of
        Mathematical Imaging and Vision 2015.
    """
    # the generator of the public implementation (POT), to agree with its directions
    generator = np.random.RandomState(seed)
    directions = generator.normal(size=(samples.num_features, PROJECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    left = np.sort(samples.left @ directions, axis=0)  # (n, L)
    right = np.sort(samples.right @ directions, axis=0)  # (m, L)
    return float(np.sqrt(_squared_transport(left, right).mean()))


def _squared_transport(left: Array, right: Array) -> Array:
    """Return the (L,) squared distances of sorted samples, by integrating their quantiles."""
    n, m = len(left), len(right)
    steps = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)  # levels times n m
    weights = np.diff(steps, prepend=0) / (n * m)
    own, other = (steps - 1) // m, (steps - 1) // n
    return weights @ np.square(left[own] - right[other])
