"""The H-score: how much of the feature covariance lies between the classes."""

from __future__ import annotations

import warnings

import numpy as np
from scipy import linalg
from scipy.linalg import lapack

from autotransfer.errors import DataWarning
from autotransfer.models.linear_algebra import EPSILON, Array
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator

_SAFE = 10.0  # margin above the rank tolerance from which the plain factor is used


def h_score(statistics: Statistics) -> float:
    """Return tr(cov(F)^+ cov(E[F | y])), in [0, K - 1].

    Warns:
        DataWarning: With n <= d + 1 the value is K - 1 whatever the features are.
    """
    statistics.require_spread("h-score")
    n, d = statistics.num_images, statistics.num_features
    if n <= d + 1:
        warnings.warn(
            f"h-score says nothing here: with {n} images and {d} features it is the number of "
            "classes less one for every source; use regularised-h-score",
            DataWarning,
            stacklevel=3,
        )
    if statistics.is_dual:
        return _dual(statistics)
    whitened = _whitened(statistics)
    return float(np.square(whitened).sum())


def _dual(statistics: Statistics) -> float:
    """Return the part of the class indicators that the features span."""
    vectors = statistics.spectrum.vectors
    sums = [vectors[own].sum(axis=0) for own in statistics.positions_by_class()]
    return float((np.square(np.stack(sums)).sum(axis=1) / statistics.counts).sum())


def _whitened(statistics: Statistics) -> Array:
    """Return (r, K) class sums over sqrt(n_c), whitened by the centred Gram."""
    scaled = (statistics.moments.class_sums / np.sqrt(statistics.counts)[:, None]).T
    factor = _factor(statistics)
    if factor is not None:
        return linalg.solve_triangular(factor, scaled, lower=True, check_finite=False)
    spectrum = statistics.spectrum  # null directions would add their rounding
    return (spectrum.vectors.T @ scaled) / np.sqrt(spectrum.values)[:, None]


def _factor(statistics: Statistics) -> Array | None:
    """Return the Cholesky factor of the Gram, or None where its rank is in doubt."""
    factor, info = lapack.dpotrf(statistics.gram, lower=1)
    if info != 0:
        return None
    size = linalg.norm(statistics.gram, 1, check_finite=False)
    reciprocal, _ = lapack.dpocon(factor, size, uplo="L")
    floor = max(statistics.num_images, statistics.num_features) * EPSILON
    return factor if reciprocal > _SAFE * floor else None


class HScore(TransferabilityEstimator):
    """Between-class share of the covariance; rewards width, constant where n <= d + 1.

    References:
        Bao et al., An information-theoretic approach to transferability in task transfer
        learning, ICIP 2019. Pseudo-inverse with rank tolerance max(n, d) eps.
    """

    name = "h-score"
    family = "linear fit"
    score = staticmethod(h_score)
