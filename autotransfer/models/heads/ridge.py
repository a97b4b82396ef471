"""Ridge regression on one-hot labels with closed-form leave-one-out over all penalties."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.special import softmax

from autotransfer.models.heads.linear import LinearHead, inverse_temperature, scale_of, with_absent

PENALTIES = np.logspace(-3, 3, 13)  # in units of the mean eigenvalue of the centred Gram
_FALLBACK_PENALTY = 1.0  # where no class has two images and leave-one-out says nothing
_FALLBACK_SCALE = 5.0
_LEAST_SLACK = 1e-12  # of 1 - leverage: an image that the fit passes through


@dataclass(frozen=True)
class RidgePath:
    """The leave-one-out scores of every penalty, from one decomposition.

    Args:
        penalties: (p,) the penalties.
        scores: (p, n, K) score of each image by the fit without that image.
    """

    penalties: NDArray[np.float64]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class GramDecomposition:
    """Centred features Xc = U diag(s) V', without V, which is never needed.

    Args:
        left: U, (n, r) with orthonormal columns.
        eigenvalues: (r,) squares of the singular values s.
    """

    left: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]

    @classmethod
    def of(cls, centred: NDArray[np.float64]) -> GramDecomposition:
        """Return the decomposition of (n, d) centred features, by the smaller Gram matrix."""
        n, d = centred.shape
        if n <= d:
            return cls.of_gram(centred @ centred.T, most=d)
        values, vectors = _eigen(centred.T @ centred, most=n)
        left = centred @ vectors
        left /= np.sqrt(values)
        return cls(left, values)

    @classmethod
    def of_gram(cls, gram: NDArray[np.float64], *, most: int = 0) -> GramDecomposition:
        """Return the decomposition of features whose (n, n) products Xc Xc' are given.

        Args:
            gram: The products, which are overwritten.
            most: The number of features, where it is known.
        """
        values, vectors = _eigen(gram, most=most)
        return cls(vectors, values)

    @property
    def mean_eigenvalue(self) -> float:
        """Return the mean eigenvalue of the (n, n) Gram, the unit of the penalties."""
        return float(self.eigenvalues.sum() / len(self.left)) if self.eigenvalues.size else 1.0

    def solve(self, targets: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
        """Return the (n, K) dual weight a of the fit of centred targets; the weight is Xc' a.

        a = (Xc Xc' + penalty)^-1 y, less what Xc' would take away: all outside the columns of U.
        """
        inner = (self.left.T @ targets) / (self.eigenvalues + penalty)[:, None]  # (r, K)
        return self.left @ inner

    def held_out(
        self, targets: NDArray[np.float64], penalties: NDArray[np.float64]
    ) -> Iterator[NDArray[np.float64]]:
        """Yield the (n, K) leave-one-out scores of each penalty."""
        return held_out_scores(self.left, self.eigenvalues, targets, penalties)


def _eigen(
    gram: NDArray[np.float64], *, most: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the eigenvalues that are not zero, and their eigenvectors as columns."""
    values, vectors = linalg.eigh(gram, driver="evd", overwrite_a=True)
    keep = values > max(len(gram), most) * np.finfo(float).eps * max(values[-1], 0.0)
    return values[keep], vectors[:, keep]


def targets_of(labels: NDArray[np.int64], num_classes: int) -> NDArray[np.float64]:
    """Return the (n, K) targets: 1 for the class of an item, -1 for the others."""
    return np.where(labels[:, None] == np.arange(num_classes), 1.0, -1.0)  # (n, K)


def held_out_scores(
    left: NDArray[np.float64],
    eigenvalues: NDArray[np.float64],
    targets: NDArray[np.float64],
    penalties: NDArray[np.float64],
) -> Iterator[NDArray[np.float64]]:
    """Yield the (n, K) leave-one-out scores of each penalty: y - (y - fitted) / (1 - leverage).

    The leverage holds the 1/n of the unpenalised intercept; without it the penalty that
    leave-one-out picks is far too small (leave-one-out of a linear
    smoother: Hastie et al., ESL 2009, section 7.10).

    Args:
        left: (n, r) orthonormal eigenvectors of the centred Gram of n rows.
        eigenvalues: (r,) their eigenvalues.
        targets: (n, K).
        penalties: (p,), added to the eigenvalues.
    """
    shrink = eigenvalues / (eigenvalues + penalties[:, None])  # (p, r)
    mean = targets.mean(axis=0)
    projected = left.T @ (targets - mean)  # (r, K)
    leverages = 1 / len(targets) + np.square(left) @ shrink.T  # (n, p)
    for factors, leverage in zip(shrink, leverages.T, strict=True):
        fitted = mean + left @ (factors[:, None] * projected)
        yield targets - (targets - fitted) / np.maximum(1 - leverage, _LEAST_SLACK)[:, None]


def leave_one_out(
    features: NDArray[np.floating], labels: NDArray[np.int64], num_classes: int
) -> RidgePath:
    """Return the leave-one-out scores for the whole grid of penalties.

    Args:
        features: (n, d).
        labels: (n,) classes in [0, K).
        num_classes: K.

    Returns:
        The path; cost one eigendecomposition of min(n, d) and O(n r K) for each penalty.
    """
    x = features.astype(np.float64)
    x -= x.mean(axis=0)
    parts = GramDecomposition.of(x)
    targets = targets_of(labels, num_classes)
    penalties = PENALTIES * parts.mean_eigenvalue
    return RidgePath(penalties, np.stack(list(parts.held_out(targets, penalties))))


@dataclass(frozen=True, kw_only=True)
class HeldOutFit:
    """What the fits without each item say of that item.

    Args:
        held_out: (n, K) leave-one-out probabilities, at the penalty and temperature of the fit to
            all items; equal shares where no class has two items.
        testable: (n,) whether another item has the same class: only then does the fit without
            an item know its class.
    """

    held_out: NDArray[np.float64]
    testable: NDArray[np.bool_]

    def likely(self, labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the leave-one-out probability of each testable item's own class."""
        rows = np.flatnonzero(self.testable)
        return self.held_out[rows, labels[rows]]

    def log_loss(self, labels: NDArray[np.int64]) -> float:
        """Return the mean leave-one-out log loss in nats; infinite where nothing is testable."""
        likely = self.likely(labels)
        return float(-np.log(np.maximum(likely, _LEAST_SLACK)).mean()) if likely.size else np.inf


@dataclass(frozen=True)
class HeldOutRidge(HeldOutFit):
    """A ridge head, fitted on all items, and its leave-one-out."""

    head: LinearHead


def fit_ridge(
    features: NDArray[np.floating],
    labels: NDArray[np.int64],
    num_classes: int,
    *,
    regularisation: float = 1.0,
    standardise: bool = True,
) -> LinearHead:
    """Return ridge regression on +-1 labels, its penalty and temperature from leave-one-out.

    Args:
        features: (n, d) frozen features.
        labels: (n,) classes in [0, K).
        num_classes: K.
        regularisation: Multiplier of the penalty that leave-one-out chose.
        standardise: Whether features are brought to mean 0 and std 1 first.

    Returns:
        The head; its probabilities are a softmax of the scores at the temperature that fits
        the leave-one-out scores best. Images of a class with a single image are left out
        of that choice, since their class is unknown to the fit without them.
    """
    return fit_ridge_held_out(
        features, labels, num_classes, regularisation=regularisation, standardise=standardise
    ).head


def fit_ridge_held_out(
    features: NDArray[np.floating],
    labels: NDArray[np.int64],
    num_classes: int,
    *,
    regularisation: float = 1.0,
    standardise: bool = True,
) -> HeldOutRidge:
    """Return the head of `fit_ridge` with its leave-one-out probabilities.

    Args:
        features: (n, d) frozen features.
        labels: (n,) classes in [0, K).
        num_classes: K.
        regularisation: Multiplier of the penalty that leave-one-out chose.
        standardise: Whether features are brought to mean 0 and std 1 first.
    """
    scale = scale_of(features, standardise=standardise)
    x = scale.apply(features)
    centre = x.mean(axis=0)
    x -= centre
    parts = GramDecomposition.of(x)
    present, places = np.unique(labels, return_inverse=True)
    targets = targets_of(places, len(present))
    testable = np.bincount(places)[places] > 1
    penalty, steepness, scores = choose_penalty(parts, targets, places, testable, regularisation)
    mean = targets.mean(axis=0)
    weight = steepness * (x.T @ parts.solve(targets - mean, penalty)).T  # (K, d)
    head = LinearHead(weight, steepness * mean - weight @ centre)
    held_out = np.zeros((len(labels), num_classes))
    held_out[:, present] = softmax(steepness * scores, axis=1)
    head = scale.fold_into(with_absent(head, present, num_classes))
    return HeldOutRidge(head, held_out=held_out, testable=testable)


def choose_penalty(
    parts: GramDecomposition,
    targets: NDArray[np.float64],
    labels: NDArray[np.int64],
    testable: NDArray[np.bool_],
    regularisation: float,
) -> tuple[float, float, NDArray[np.float64]]:
    """Return the penalty of least leave-one-out squared error, multiplied, and the steepness.

    The third is the (n, K) leave-one-out scores at that penalty.
    """
    if not testable.any():
        penalty = _FALLBACK_PENALTY * parts.mean_eigenvalue * regularisation
        return penalty, _FALLBACK_SCALE, np.zeros_like(targets)
    grid = PENALTIES * parts.mean_eigenvalue
    errors = [
        np.square(scores - targets)[testable].mean() for scores in parts.held_out(targets, grid)
    ]
    penalty = float(grid[int(np.argmin(errors))]) * regularisation
    (held_out,) = parts.held_out(targets, np.array([penalty]))
    steepness = inverse_temperature(held_out[testable], labels[testable])
    return penalty, steepness, held_out
