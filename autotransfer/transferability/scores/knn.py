"""Leave-one-out accuracy of the nearest neighbours."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from autotransfer.errors import UndefinedScoreError
from autotransfer.models.linear_algebra import Array, spans
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator

_COLUMNS_AT_ONCE = 1024


def knn(statistics: Statistics, num_neighbours: int = 1) -> float:
    """Return the fraction of images that their nearest other images classify rightly.

    Euclidean distance; a vote that is even goes to the class of the nearest.

    Args:
        statistics: Of the source on the target.
        num_neighbours: How many others vote.

    Raises:
        UndefinedScoreError: If no class has two images, or there are too few images.
    """
    statistics.require_spread("knn")
    n = statistics.num_images
    if not 1 <= num_neighbours < n:
        raise UndefinedScoreError(
            f"knn with {num_neighbours} neighbours needs more images than that; there are {n}"
        )
    if statistics.counts.max() < 2:
        raise UndefinedScoreError("knn is undefined: no class has two images")
    rows = statistics.rows
    norms = _squared_norms(statistics)
    hits = 0
    for part in spans(n, max(statistics.num_features, _COLUMNS_AT_ONCE)):
        nearest = _nearest(rows, norms, part, num_neighbours)
        voted = _vote(statistics.labels[nearest])
        hits += int((voted == statistics.labels[part]).sum())
    return hits / n


def _squared_norms(statistics: Statistics) -> Array:
    # not centred: whole-number features, such as pixels, then tie exactly
    blocks = (
        statistics.rows[part].astype(np.float64)
        for part in spans(statistics.num_images, statistics.num_features)
    )
    return np.concatenate([np.einsum("ij,ij->i", block, block) for block in blocks])


def _nearest(
    rows: NDArray[np.floating], norms: Array, part: slice, num_neighbours: int
) -> NDArray[np.int64]:
    """Return the (b, k) positions of the nearest others of the rows in `part`."""
    queries = rows[part].astype(np.float64)
    own = np.arange(part.start, part.stop)
    best = np.full((len(queries), num_neighbours), np.inf)
    where = np.zeros((len(queries), num_neighbours), dtype=np.int64)
    for start in range(0, len(rows), _COLUMNS_AT_ONCE):
        stop = min(start + _COLUMNS_AT_ONCE, len(rows))
        distances = queries @ rows[start:stop].astype(np.float64).T
        distances *= -2.0
        distances += norms[start:stop]
        inside = (own >= start) & (own < stop)
        distances[np.flatnonzero(inside), own[inside] - start] = np.inf  # never itself
        best, where = _keep_nearest(best, where, distances, start)
    return where


def _keep_nearest(
    best: Array, where: NDArray[np.int64], distances: Array, start: int
) -> tuple[Array, NDArray[np.int64]]:
    if best.shape[1] == 1:
        closest = distances.argmin(axis=1)[:, None]
        found = np.take_along_axis(distances, closest, axis=1)
        closer = found < best  # of equal distances the first counts
        return np.where(closer, found, best), np.where(closer, closest + start, where)
    places = np.broadcast_to(np.arange(start, start + distances.shape[1]), distances.shape)
    both = np.concatenate([best, distances], axis=1)
    order = np.argsort(both, axis=1, kind="stable")[:, : best.shape[1]]
    all_places = np.concatenate([where, places], axis=1)
    return (
        np.take_along_axis(both, order, axis=1),
        np.take_along_axis(all_places, order, axis=1),
    )


def _vote(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the majority of each row of (b, k) labels; the nearest decides an even vote."""
    if labels.shape[1] == 1:
        return labels[:, 0]
    same = (labels[:, :, None] == labels[:, None, :]).sum(axis=2)  # (b, k) votes for each label
    return np.take_along_axis(labels, same.argmax(axis=1)[:, None], axis=1)[:, 0]


class NearestNeighbour(TransferabilityEstimator):
    """1-NN leave-one-out accuracy: Euclidean distance, a fraction in [0, 1].

    References:
        Cover and Hart, Nearest neighbor pattern classification, IEEE Trans. Information Theory
        1967; as a transferability score: Bolya et al., NeurIPS 2021, arXiv:2111.06977.
    """

    name: ClassVar[str] = "knn"
    family: ClassVar[str] = "neighbours"

    def __init__(self, num_neighbours: int = 1) -> None:
        self.num_neighbours = num_neighbours

    @override
    def score(self, statistics: Statistics) -> float:
        return knn(statistics, self.num_neighbours)
