"""Jensen-Shannon divergence of the histograms of each feature."""

from __future__ import annotations

import numpy as np
from scipy.special import xlogy

from autotransfer.models.linear_algebra import Array
from autotransfer.transferability.distances.samples import Samples

BINS = 32


def js_divergence(samples: Samples) -> float:
    """Return the mean over features of the divergence in bits, in [0, 1].

    Histograms of 32 equal bins over the common range; a constant feature counts as 0.
    Positively biased for few images: two halves of one set are not at 0.

    References:
        Lin, Divergence measures based on the Shannon entropy, IEEE Trans. Information Theory
        1991.
    """
    total = 0.0
    for left, right in zip(samples.left.T, samples.right.T, strict=True):
        low, high = min(left.min(), right.min()), max(left.max(), right.max())
        if high > low:
            first = np.histogram(left, bins=BINS, range=(low, high))[0] / len(left)
            second = np.histogram(right, bins=BINS, range=(low, high))[0] / len(right)
            total += _divergence(first, second)
    return total / samples.num_features


def _divergence(first: Array, second: Array) -> float:
    middle = (first + second) / 2
    present = middle > 0
    first, second, middle = first[present], second[present], middle[present]
    nats = (xlogy(first, first / middle) + xlogy(second, second / middle)).sum() / 2
    return float(nats / np.log(2))
