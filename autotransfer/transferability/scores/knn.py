"""Leave-one-out accuracy of the nearest neighbour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autotransfer.errors import UndefinedScoreError
from autotransfer.models.linear_algebra import Array, spans
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator

_COLUMNS_AT_ONCE = 1024


def knn(statistics: Statistics) -> float:
    """Return the fraction of images that their nearest other image classifies rightly.

    Euclidean distance; of equal distances the first counts.

    Args:
        statistics: Of the source on the target.

    Raises:
        UndefinedScoreError: If no class has two images.
    """
    statistics.require_spread("knn")
    if statistics.counts.max() < 2:
        raise UndefinedScoreError("knn is undefined: no class has two images")
    rows, labels, n = statistics.rows, statistics.labels, statistics.num_images
    norms = _squared_norms(statistics)
    hits = 0
    for part in spans(n, max(statistics.num_features, _COLUMNS_AT_ONCE)):
        hits += int((labels[_nearest(rows, norms, part)] == labels[part]).sum())
    return hits / n


def _squared_norms(statistics: Statistics) -> Array:
    # not centred: whole-number features, such as pixels, then tie exactly
    blocks = (
        statistics.rows[part].astype(np.float64)
        for part in spans(statistics.num_images, statistics.num_features)
    )
    return np.concatenate([np.einsum("ij,ij->i", block, block) for block in blocks])


def _nearest(rows: NDArray[np.floating], norms: Array, part: slice) -> NDArray[np.int64]:
    """Return the (b,) positions of the nearest others of the rows in `part`."""
    queries = rows[part].astype(np.float64)
    own = np.arange(part.start, part.stop)
    best, where = np.full(len(queries), np.inf), np.zeros(len(queries), dtype=np.int64)
    for start in range(0, len(rows), _COLUMNS_AT_ONCE):
        stop = min(start + _COLUMNS_AT_ONCE, len(rows))
        distances = queries @ rows[start:stop].astype(np.float64).T
        distances *= -2.0
        distances += norms[start:stop]
        inside = (own >= start) & (own < stop)
        distances[np.flatnonzero(inside), own[inside] - start] = np.inf  # never itself
        closest = distances.argmin(axis=1)
        found = distances[np.arange(len(queries)), closest]
        closer = found < best  # of equal distances the first counts
        best, where = np.where(closer, found, best), np.where(closer, closest + start, where)
    return where


class NearestNeighbour(TransferabilityEstimator):
    """1-NN leave-one-out accuracy: Euclidean distance, a fraction in [0, 1].

    References:
        Cover and Hart, Nearest neighbor pattern classification, IEEE Trans. Information Theory
        1967; as a transferability score: Bolya et al., NeurIPS 2021, arXiv:2111.06977.
    """

    name = "knn"
    family = "neighbours"
    score = staticmethod(knn)
