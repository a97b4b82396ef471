"""PARC: the rank correlation of feature dissimilarities with label dissimilarities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from autotransfer.errors import UndefinedScoreError
from autotransfer.models.linear_algebra import Array
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator

MAXIMUM_IMAGES = 5000  # all pairs are ranked; beyond, evenly chosen images stand for all
SEED = 1919  # of the authors' randomised components; rows are correlated across their signs
_CONSTANT = 1e-12  # share of the largest std below which a column only varies by rounding


def parc(statistics: Statistics, num_components: int | None = None) -> float:
    """Return 100 times the Spearman correlation of the two dissimilarities.

    Two labels are the same or not: the label dissimilarity has exactly two values (computed as
    a correlation of one-hot rows it has a few more by rounding, which change the ranks).

    Args:
        statistics: Of the source on the target.
        num_components: Principal components to use; None for the features themselves.

    Raises:
        UndefinedScoreError: If every pair is of one class, or none is, or the rows are flat.
    """
    from scipy.stats import rankdata

    statistics.require_spread("parc")
    chosen = _chosen(statistics)
    features = _standardised(_reduced(statistics, num_components)[chosen])
    labels = statistics.labels[chosen]
    rows, columns = np.triu_indices(len(chosen), 1)
    different = labels[rows] != labels[columns]
    if different.all() or not different.any():
        raise UndefinedScoreError("parc needs two images of one class and two of different ones")
    ranks = rankdata((-_row_correlations(features))[rows, columns])
    return 100 * _point_correlation(ranks, different)


def _chosen(statistics: Statistics) -> NDArray[np.int64]:
    """Return the positions to compare: all, or 5000 spread evenly over the sorted classes."""
    n = statistics.num_images
    if n <= MAXIMUM_IMAGES:
        return np.arange(n)
    places = np.linspace(0, n - 1, MAXIMUM_IMAGES).astype(np.int64)
    return np.sort(statistics.order[places])


def _reduced(statistics: Statistics, num_components: int | None) -> Array:
    from sklearn.decomposition import PCA

    rows = statistics.rows.astype(np.float64)
    if num_components is None:
        return rows
    kept = min(num_components, *rows.shape)
    all_kept = kept == min(rows.shape)  # drawn at random, the smallest of all are rounding
    solver = "full" if all_kept else "randomized"
    reduction = PCA(kept, svd_solver=solver, random_state=SEED, iterated_power=1)
    reduced: Array = reduction.fit_transform(rows)
    return reduced


def _standardised(features: Array) -> Array:
    """Return the columns at mean 0 and std 1; constant ones stay 0, as the authors have it."""
    centred = features - features.mean(axis=0)
    spread = centred.std(axis=0)
    varying = spread > _CONSTANT * spread.max()
    standardised: Array = np.divide(centred, spread, out=np.zeros_like(centred), where=varying)
    return standardised


def _row_correlations(features: Array) -> Array:
    centred = features - features.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1)
    if not (norms > 0).all():
        raise UndefinedScoreError("parc is undefined: an image has the same value everywhere")
    centred /= norms[:, None]
    correlations: Array = centred @ centred.T
    return correlations


def _point_correlation(ranks: Array, different: NDArray[np.bool_]) -> float:
    """Return the correlation of ranks with a two-valued variable."""
    share = float(different.mean())
    spread = float(ranks.std())
    if spread == 0:
        raise UndefinedScoreError("parc is undefined: all pairs of images are equally alike")
    gap = float(ranks[different].mean() - ranks[~different].mean())
    return gap * float(np.sqrt(share * (1 - share))) / spread


class Parc(TransferabilityEstimator):
    """Whether images that are alike in features are alike in labels; in [-100, 100].

    References:
        Bolya, Mittapalli and Hoffman, Scalable Diverse Model Selection for Accessible Transfer
        Learning, NeurIPS 2021, arXiv:2111.06977.
    """

    name = "parc"
    family = "neighbours"

    def __init__(self, num_components: int | None = None) -> None:
        self.num_components = num_components

    @override
    def score(self, statistics: Statistics) -> float:
        return parc(statistics, self.num_components)
