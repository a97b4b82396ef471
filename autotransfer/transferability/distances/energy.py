"""Energy distance."""

from __future__ import annotations

import numpy as np

from autotransfer.transferability.distances.samples import Samples


def energy(samples: Samples) -> float:
    """Return 2 E|X - Y| - E|X - X'| - E|Y - Y'|, at least 0; not its square root.

    The V-statistic over at most 2000 images of each set, in feature units; Euclidean norms.

    References:
        Szekely and Rizzo, Energy statistics: A class of statistics based on distances, Journal
        of Statistical Planning and Inference 2013.
    """
    distances, n = np.sqrt(samples.squared_distances), len(samples.pairwise[0])
    across = float(distances[:n, n:].mean())
    return 2 * across - float(distances[:n, :n].mean()) - float(distances[n:, n:].mean())
