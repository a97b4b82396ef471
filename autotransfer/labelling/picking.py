"""Which images teach the most: typical ones while labels are few, then doubtful and diverse ones.

Typical: one image from the middle of each cluster of the pool that has no label yet (TypiClust,
arXiv:2202.02794). Doubtful: images whose predicted class changes when features are dropped at
random, one from the middle of each cluster of those (DropQuery, arXiv:2401.14555).
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NearestNeighbors

from autotransfer.models.heads.ridge import fit_ridge
from autotransfer.models.single_thread import single_thread

# labels a class, the mean: below, typical images teach more than doubtful ones
TYPICAL_BELOW = 3.0
NEIGHBOURS = 20  # whose mean distance says how typical an image is
DROPPED, DRAWS = 0.75, 3  # share of the features that is dropped, and how often
CHANGED = 0.5  # share of the draws in which a doubtful image changes its class
MOST_CLUSTERS = 500
COMPONENTS = 128  # principal ones, that distances are measured in


def pick(
    pool: NDArray[np.floating],
    count: int,
    labelled: NDArray[np.floating],
    labels: NDArray[np.int64],
    *,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Return the places of the images of a pool that are worth a label, in order of their worth.

    Args:
        pool: (n, d) features of images without a label.
        count: How many are picked; all where there are no more.
        labelled: (m, d) features of labelled images; m may be 0.
        labels: (m,) their classes.
        seed: Of clusters and dropped features.
    """
    count = min(count, len(pool))
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    reduced = principal(np.concatenate([pool, labelled]))
    inner, known = reduced[: len(pool)], reduced[len(pool) :]
    num_classes = len(np.unique(labels))
    with single_thread():
        if num_classes < 2 or len(labels) < TYPICAL_BELOW * num_classes:
            return typical(inner, count, known, seed=seed)
        doubtful = _doubtful(pool, labelled, labels, seed)
        if len(doubtful) < count:  # few change: the rest is typical of what has no label
            others = np.setdiff1d(np.arange(len(pool)), doubtful)
            more = typical(
                inner[others], count - len(doubtful), np.concatenate([known, inner[doubtful]]),
                seed=seed,
            )  # fmt: skip
            return np.concatenate([doubtful, others[more]])
        return doubtful[_middles(inner[doubtful], count, seed)]


def typical(
    pool: NDArray[np.floating], count: int, known: NDArray[np.floating], *, seed: int = 0
) -> NDArray[np.int64]:
    """Return the places of images that are typical of clusters without a label.

    Args:
        pool: (n, r) features.
        count: How many are picked.
        known: (m, r) features of images whose label is known, or asked for.
        seed: Of the clusters.
    """
    together = np.concatenate([pool, known])
    num_clusters = min(len(known) + count, MOST_CLUSTERS, len(together))
    cluster = _fitted(together, num_clusters, seed).labels_
    inner = cluster[: len(pool)]
    covered = np.bincount(cluster[len(pool) :], minlength=num_clusters).astype(np.float64)
    sizes = np.bincount(inner, minlength=num_clusters)
    density = _typicality(together)[: len(pool)]
    left, found = np.ones(len(pool), dtype=np.bool_), list[int]()
    while len(found) < count:
        open_clusters = np.unique(inner[left])
        best = min(open_clusters, key=lambda c: (covered[c], -sizes[c]))
        members = np.flatnonzero(left & (inner == best))
        taken = int(members[np.argmax(density[members])])
        found.append(taken)
        left[taken] = False
        covered[best] += 1
    return np.array(found, dtype=np.int64)


def principal(features: NDArray[np.floating], most: int = COMPONENTS) -> NDArray[np.float64]:
    """Return (n, r) features as their first principal components, which keep most distances."""
    centred = features - features.mean(axis=0, dtype=np.float64)
    n, d = centred.shape
    if min(n, d) <= most:
        return np.asarray(centred, dtype=np.float64)
    rng = np.random.default_rng(0)  # a randomised range finder: Halko et al., 2011
    sketch = centred @ rng.standard_normal((d, most + 10))
    basis, _ = np.linalg.qr(centred @ (centred.T @ sketch))
    u, s, _ = np.linalg.svd(basis.T @ centred, full_matrices=False)
    reduced: NDArray[np.float64] = (basis @ u[:, :most]) * s[:most]
    return reduced


def _doubtful(
    pool: NDArray[np.floating],
    labelled: NDArray[np.floating],
    labels: NDArray[np.int64],
    seed: int,
) -> NDArray[np.int64]:
    """Return the places of images whose class changes in half of the draws of dropped features."""
    present, places = np.unique(labels, return_inverse=True)
    head = fit_ridge(labelled, places, len(present), standardise=False)
    answers = (pool @ head.weight.T + head.bias).argmax(axis=1)
    rng, changed = np.random.default_rng(seed), np.zeros(len(pool))
    for _ in range(DRAWS):
        kept = rng.random(pool.shape, dtype=np.float32) >= DROPPED
        scores = (pool * kept) @ head.weight.T / (1 - DROPPED) + head.bias
        changed += scores.argmax(axis=1) != answers
    return np.flatnonzero(changed >= CHANGED * DRAWS)


def _middles(features: NDArray[np.float64], count: int, seed: int) -> NDArray[np.int64]:
    """Return the place nearest to the middle of each of so many clusters."""
    fit = _fitted(features, count, seed)
    distance = np.square(features - fit.cluster_centers_[fit.labels_]).sum(axis=1)
    order = np.lexsort((distance, fit.labels_))
    _, first = np.unique(fit.labels_[order], return_index=True)
    found = order[first]
    missing = count - len(found)  # copies of one image make fewer clusters
    rest = np.setdiff1d(np.arange(len(features)), found)
    return np.concatenate([found, rest[:missing]]).astype(np.int64)


def _fitted(features: NDArray[np.float64], count: int, seed: int) -> KMeans:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of copies: fewer clusters than asked
        return KMeans(count, n_init=1, random_state=seed).fit(features)


def _typicality(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the reciprocal of the mean distance to the nearest neighbours."""
    most = min(NEIGHBOURS + 1, len(features))
    distances, _ = NearestNeighbors(n_neighbors=most).fit(features).kneighbors(features)
    typicality: NDArray[np.float64] = 1 / (distances[:, 1:].mean(axis=1) + 1e-9)
    return typicality
