"""Clusters of images without labels: how many there seem to be, and those that are a new class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN, KMeans
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

from autotransfer.labelling.picking import principal
from autotransfer.models.single_thread import single_thread

NUMBERS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30)  # of clusters that are looked at
LOOKED_AT = 2000  # images
COMPONENTS = 32
FAR = 0.95  # quantile of the distances among labelled images that a new class lies beyond
LEAST_MEMBERS = 5  # of a new class


def seeming_clusters(features: NDArray[np.floating], seed: int = 0) -> NDArray[np.int64]:
    """Return (n,) the cluster of each image, of as many as there seem to be.

    That is the number with the greatest mean silhouette (Rousseeuw, 1987) of k-means in the
    principal components.

    Args:
        features: (n, d).
        seed: Of the clusters.
    """
    reduced = principal(features, COMPONENTS)
    rng = np.random.default_rng(seed)
    few = np.sort(rng.permutation(len(reduced))[:LOOKED_AT])
    best, found = -np.inf, np.zeros(len(reduced), dtype=np.int64)
    with single_thread():
        for number in NUMBERS:
            if number >= len(few) / 2:
                break
            fit = KMeans(number, n_init=2, random_state=seed).fit(reduced[few])
            score = silhouette_score(reduced[few], fit.labels_)
            if score > best:
                best, found = score, fit.predict(reduced).astype(np.int64)
    return found


def new_classes(
    pool: NDArray[np.floating], labelled: NDArray[np.floating], labels: NDArray[np.int64]
) -> Sequence[NDArray[np.int64]]:
    """Return the places of the images of each cluster that lies far from all labelled images.

    Far is beyond the distance at which 95 % of the labelled images have a neighbour of their
    own class. In 5 % of the cases a member of a known class is as far, so only dense clusters of
    such images count (DBSCAN: Ester et al., 1996), the largest first.

    Args:
        pool: (n, d) features of images without a label.
        labelled: (m, d) features of labelled images.
        labels: (m,) their classes.
    """
    reduced = principal(np.concatenate([pool, labelled]), COMPONENTS)
    inner, known = reduced[: len(pool)], reduced[len(pool) :]
    own = [
        _own_distances(known[labels == k]) for k in np.unique(labels) if (labels == k).sum() > 1
    ]
    if not own or len(pool) < LEAST_MEMBERS:
        return ()
    limit = np.quantile(np.concatenate(own), FAR)
    nearest, _ = NearestNeighbors(n_neighbors=1).fit(known).kneighbors(inner)
    far = np.flatnonzero(nearest[:, 0] > limit)
    if len(far) < LEAST_MEMBERS:
        return ()
    cluster = DBSCAN(eps=limit, min_samples=LEAST_MEMBERS).fit_predict(inner[far])
    found = [far[cluster == c] for c in np.unique(cluster[cluster >= 0])]
    return sorted(found, key=len, reverse=True)


def _own_distances(members: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each member of a class to the nearest other one."""
    distances, _ = NearestNeighbors(n_neighbors=2).fit(members).kneighbors(members)
    nearest: NDArray[np.float64] = distances[:, 1]
    return nearest
