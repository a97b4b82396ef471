"""How the error falls with labels: a power law that bends while labels are few.

log error = a + b u + c u^2 with u = log(labels a class / 10) up to 40 labels a class, and from
there on the straight line that touches it: a quadratic in log-log space while there are few
labels, then a power law (arXiv:2303.01598, equation 4). A plain power law fitted to a few
labels a class misses the bend. Five labels a class cannot tell three numbers, so they have a
normal prior, empirical Bayes: it and the noise are those under which hundreds of curves of the
record of small transfers are most likely (`tests/benchmarks/curve_prior.py`). What sub-sampling
measured, with the covariance of its items, makes the posterior.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autotransfer.transferability.learning_curve.subsampling import Subsampled

Curves = Callable[[ArrayLike], NDArray[np.float64]]

REFERENCE = 10.0  # labels a class at which u = 0
BEND_ENDS = 40.0  # labels a class; the record goes no further in most targets
SAMPLES = 2000
LEVEL = 0.05  # error on each side of a 90 % interval
MISFIT = 0.1  # standard deviation of the log error: no curve is quite a parabola
FREEDOM = 5.0  # degrees of freedom of the t distribution: some targets are unlike all others
FEWEST_WRONG = 0.3  # items that are added to the wrong ones, and to the right ones


@dataclass(frozen=True)
class Prior:
    """What is known of (a, b, c) beforehand: a normal distribution.

    Args:
        mean: (3,).
        covariance: (3, 3).
    """

    mean: tuple[float, float, float]
    covariance: tuple[tuple[float, float, float], ...]

    @classmethod
    def of(
        cls,
        mean: tuple[float, float, float],
        deviations: tuple[float, float, float],
        correlations: tuple[float, float, float],
    ) -> Prior:
        """Return the prior with correlations of (a, b), (a, c) and (b, c)."""
        ab, ac, bc = correlations
        related = np.array([[1, ab, ac], [ab, 1, bc], [ac, bc, 1]])
        found = related * np.outer(deviations, deviations)
        return cls(mean, tuple(tuple(row) for row in found.tolist()))


@dataclass(frozen=True)
class Noise:
    """Of the measured log errors.

    Args:
        of_items: Times the covariance that the tested items show.
        shared: Times the variance of a count of as many items; all sizes share it.
    """

    of_items: float
    shared: float


# The means and the noise make 40 targets of eleven families most likely
# (`tests/benchmarks/curve_prior.py`); the deviations are wider, for targets unlike them.
MIXTURE = Prior.of((-3.3, -0.55, 0.0), (1.5, 0.32, 0.06), (0.0, 0.0, 0.0))
NOISE = Noise(0.98, 0.055)
# Of the better of probes on gradients, raw pixels and untrained features.
WITHOUT_SOURCE = Prior.of((-1.1, -0.25, 0.0), (0.8, 0.2, 0.05), (0.3, 0.0, 0.0))


@dataclass(frozen=True)
class LearningCurve:
    """Curves of the error that the measurements and the prior allow.

    Args:
        samples: (B, 3) draws of (a, b, c).
        num_classes: K; the curve is in labels a class.
    """

    samples: NDArray[np.float64]
    num_classes: int

    def accuracies(self, labels: ArrayLike) -> NDArray[np.float64]:
        """Return the (B, M) accuracy of each curve at M numbers of labels."""
        a_class = np.atleast_1d(np.asarray(labels, dtype=np.float64)) / self.num_classes
        start, slope, bend = self.samples.T[:, :, None]
        u = np.log(np.clip(a_class, 1e-9, BEND_ENDS) / REFERENCE)
        turn = -slope / (2 * bend)  # more labels never hurt: there a curve is level
        u = np.where(bend > 0, np.minimum(u, turn), np.maximum(u, turn))  # (B, M)
        last = np.minimum(slope + 2 * bend * np.log(BEND_ENDS / REFERENCE), 0.0)
        beyond = np.maximum(np.log(a_class / BEND_ENDS), 0.0)
        log_error = start + slope * u + bend * u**2 + last * beyond
        worst = np.log1p(-1 / self.num_classes)
        accuracies: NDArray[np.float64] = 1 - np.exp(np.minimum(log_error, worst))
        return accuracies


def basis(a_class: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (M, 3) factors of a, b and c at M numbers of labels a class."""
    u, end = np.log(a_class / REFERENCE), np.log(BEND_ENDS / REFERENCE)
    bend = np.where(u <= end, u**2, end**2 + 2 * end * (u - end))
    return np.stack([np.ones_like(u), u, bend], axis=1)


def fitted(
    measured: Subsampled, prior: Prior = MIXTURE, noise: Noise = NOISE, seed: int = 0
) -> LearningCurve:
    """Return the curves that measurements leave likely.

    Args:
        measured: Accuracies at several numbers of labels.
        prior: Of the curve.
        noise: Of the measurements.
        seed: Of the draws.
    """
    terms, log_errors, covariance = observed(measured, noise)
    samples = _posterior(terms, log_errors, covariance, prior, seed, freedom=FREEDOM)
    return LearningCurve(samples, measured.num_classes)


def observed(
    measured: Subsampled, noise: Noise = NOISE
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return (J, 3) terms of the curve, (J,) log errors and their (J, J) covariance.

    The accuracies of all sizes rest on the same items and share their luck: the covariance of the
    means over items says so. What subsets of one sample cannot show, the luck of the sample that
    was learnt from, is a share of the variance of a count that all sizes share.

    Args:
        measured: Accuracies at several numbers of labels.
        noise: Of the measurements.
    """
    t = measured.hits.shape[1]
    errors = smoothed(1 - measured.accuracy, t)
    items = np.atleast_2d(np.cov(measured.hits, bias=True)) / (t * np.outer(errors, errors))
    of_counts = np.sqrt((1 - errors) / (errors * t))
    covariance = noise.of_items * items + noise.shared * np.outer(of_counts, of_counts)
    a_class = measured.sizes / measured.num_classes
    if measured.left_out:  # the class of the tested item has one fewer
        a_class[-1] = max(a_class[-1] - 1, a_class[-1] / 2)
    return basis(a_class), np.log(errors), covariance + np.eye(len(errors)) * MISFIT**2


def smoothed(share: NDArray[np.float64], t: int) -> NDArray[np.float64]:
    """Return shares of t items of which none is none."""
    found: NDArray[np.float64] = (share * t + FEWEST_WRONG) / (t + 2 * FEWEST_WRONG)
    return found


def through(
    accuracy: float, num_labels: float, num_classes: int, error: float, prior: Prior
) -> LearningCurve:
    """Return the curves through one measured accuracy.

    Args:
        accuracy: Measured, in [0, 1].
        num_labels: That it was learnt from.
        num_classes: K.
        error: Standard error of the accuracy.
        prior: Of the curve.
    """
    wrong = min(max(1 - accuracy, error, 1e-3), 1.0)
    noise = np.array([[(error / wrong) ** 2 + MISFIT**2]])
    terms = basis(np.array([num_labels / num_classes]))
    return LearningCurve(_posterior(terms, np.log([wrong]), noise, prior, 0), num_classes)


def _posterior(
    terms: NDArray[np.float64],
    log_errors: NDArray[np.float64],
    noise: NDArray[np.float64],
    prior: Prior,
    seed: int,
    *,
    freedom: float = np.inf,
) -> NDArray[np.float64]:
    """Return (B, 3) draws of the posterior of (a, b, c); by freedom of a t distribution."""
    before, mean = np.array(prior.covariance), np.array(prior.mean)
    gain = np.linalg.solve(terms @ before @ terms.T + noise, terms @ before).T  # (3, J)
    after = before - gain @ terms @ before
    values, vectors = np.linalg.eigh((after + after.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    rng = np.random.default_rng(seed)
    spread = rng.standard_normal((SAMPLES, len(mean))) @ root.T
    if np.isfinite(freedom):
        spread /= np.sqrt(rng.chisquare(freedom, (SAMPLES, 1)) / freedom)
    draws: NDArray[np.float64] = mean + gain @ (log_errors - terms @ mean) + spread
    return draws
