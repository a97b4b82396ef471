"""LogME: the log evidence of a Bayesian linear model for each class."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from autotransfer.models.linear_algebra import EPSILON, Array, Tridiagonal
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator

MAX_ITERATIONS = 11  # of the fixed point, as in the authors' code
TOLERANCE = 1e-3  # relative change of alpha / beta at which it stops, as in the authors' code
GUARD = 1e-5  # keeps the evidence finite where the labels are interpolated, as there
_CLASSES_AT_ONCE = 256  # bounds the (r, K) work arrays
_FULL_RANK = 1e-12  # smallest over largest eigenvalue from which plain solves are safe

Energies = Callable[[Array], tuple[Array, Array]]  # (K,) t -> (K,) |w|^2, (K,) |Fw - y|^2


def logme(statistics: Statistics) -> float:
    """Return the maximum log evidence for each image in nats, averaged over the classes.

    The log-determinant is the whole one: directions without variance count as the prior
    does. (The authors' code leaves them out, which is wrong wherever n < d.)
    """
    statistics.require_spread("logme")
    evidences = _dual(statistics) if statistics.is_dual else _primal(statistics)
    return float(evidences.mean())


def _dual(statistics: Statistics) -> Array:
    """Return the (K,) evidences through the (n, n) matrix FF'."""
    spectrum, counts = statistics.uncentred_dual, statistics.counts
    starts = np.cumsum(counts) - counts
    products = np.add.reduceat(spectrum.vectors[statistics.order], starts, axis=0)  # (K, n)
    return _spectral(statistics, spectrum.values, np.square(products).T)


def _primal(statistics: Statistics) -> Array:
    """Return the (K,) evidences through one tridiagonal form of F'F."""
    form = statistics.tridiagonal
    values = form.values
    if values[0] > _FULL_RANK * values[-1]:
        return _by_solving(statistics, form)
    kept = values > statistics.num_features * EPSILON * values[-1]
    squares = np.square(form.eigenvectors()[:, kept].T @ form.turned)
    return _spectral(statistics, values[kept], squares / values[kept, None])


def _by_solving(statistics: Statistics, form: Tridiagonal) -> Array:
    """Return the evidences with one tridiagonal solve for each class and iteration."""

    def energies_of(part: slice) -> Energies:
        sums, counts = form.turned[:, part], statistics.counts[part]

        def energies(t: Array) -> tuple[Array, Array]:
            weights = np.stack(
                [form.solve(shift, part.start + c) for c, shift in enumerate(t)], axis=1
            )
            norms = np.einsum("ij,ij->j", weights, weights)
            fitted = np.einsum("ij,ij->j", sums, weights)
            return norms, np.maximum(counts - fitted - t * norms, 0.0)

        return energies

    return _in_parts(statistics, form.values, energies_of)


def _spectral(statistics: Statistics, values: Array, squares: Array) -> Array:
    """Return the evidences from the eigenvalues and squared label coordinates.

    Args:
        statistics: Of the source on the target.
        values: (r,) eigenvalues of the uncentred Gram.
        squares: (r, K) squared product of each left singular vector with each label vector.
    """

    def energies_of(part: slice) -> Energies:
        own = squares[:, part]
        outside = np.maximum(statistics.counts[part] - own.sum(axis=0), 0.0)

        def energies(t: Array) -> tuple[Array, Array]:
            shares = own / np.square(values[:, None] + t)
            return values @ shares, np.square(t) * shares.sum(axis=0) + outside

        return energies

    return _in_parts(statistics, values, energies_of)


def _in_parts(
    statistics: Statistics, values: Array, energies_of: Callable[[slice], Energies]
) -> Array:
    evidences = []
    for start in range(0, statistics.num_classes, _CLASSES_AT_ONCE):
        part = slice(start, min(start + _CLASSES_AT_ONCE, statistics.num_classes))
        size = part.stop - part.start
        evidences.append(_maximise(statistics.num_images, size, values, energies_of(part)))
    return np.concatenate(evidences)


def _maximise(n: int, num_classes: int, values: Array, energies: Energies) -> Array:
    """Return the (K,) evidences at the fixed point (You et al. 2021, algorithm 1).

    A class that has converged keeps its value while the others go on.
    """
    t, evidence = np.ones(num_classes), np.empty(num_classes)
    running = np.ones(num_classes, dtype=bool)
    for _ in range(MAX_ITERATIONS):
        norms, residuals = energies(t)
        effective = (values / (values + t[:, None])).sum(axis=1)
        alpha = effective / (norms + GUARD)
        beta = (n - effective) / (residuals + GUARD)
        found = _evidence(n, values, (alpha, beta), (norms, residuals))
        evidence[running] = found[running]
        step = np.abs(alpha / beta - t) / t
        t = np.where(running, alpha / beta, t)
        running &= step > TOLERANCE
        if not running.any():
            break
    return evidence


def _evidence(
    n: int, values: Array, precisions: tuple[Array, Array], energies: tuple[Array, Array]
) -> Array:
    (alpha, beta), (norms, residuals) = precisions, energies
    # d/2 log alpha - 1/2 log det(alpha I + beta F'F): the null space cancels exactly
    log_volume = np.log1p(values * (beta / alpha)[:, None]).sum(axis=1)
    total = n * np.log(beta) - log_volume - beta * residuals - alpha * norms
    result: Array = total / (2 * n) - np.log(2 * np.pi) / 2
    return result


class LogME(TransferabilityEstimator):
    """Log maximum evidence of a linear model from features to one-hot labels.

    Nats for each image; comparable between sources on one target only.

    References:
        You et al., LogME: Practical Assessment of Pre-trained Models for Transfer Learning,
        ICML 2021, arXiv:2102.11005, algorithm 1; with the full log-determinant.
    """

    name = "logme"
    family = "linear fit"
    score = staticmethod(logme)
