"""Ridge regression on one-hot labels with closed-form leave-one-out over all penalties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from autotransfer.heads.linear import LinearHead, Standardisation, inverse_temperature

PENALTIES = np.logspace(-3, 3, 13)  # in units of the mean eigenvalue of the centred Gram
_FALLBACK_PENALTY = 1.0  # where no class has two pictures and leave-one-out says nothing
_FALLBACK_SCALE = 5.0


@dataclass(frozen=True)
class RidgePath:
    """The leave-one-out scores of every penalty, from one decomposition.

    Args:
        penalties: (p,) the penalties.
        scores: (p, n, K) score of each picture by the fit without that picture.
    """

    penalties: NDArray[np.float64]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class _Decomposition:
    """Centred features Xc = U diag(s) V' with the (n, r) left and (r, d) right vectors."""

    left: NDArray[np.float64]
    singular: NDArray[np.float64]
    right: NDArray[np.float64]
    mean: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.float64]) -> _Decomposition:
        """Return the decomposition through the smaller of the two Gram matrices."""
        mean = features.mean(axis=0)
        centred = features - mean
        n, d = centred.shape
        gram = centred @ centred.T if n <= d else centred.T @ centred
        eigenvalues, vectors = linalg.eigh(gram)
        keep = eigenvalues > max(n, d) * np.finfo(float).eps * max(eigenvalues[-1], 0.0)
        singular = np.sqrt(eigenvalues[keep])
        vectors = vectors[:, keep]
        if n <= d:
            return cls(vectors, singular, (vectors / singular).T @ centred, mean)
        return cls(centred @ vectors / singular, singular, vectors.T, mean)

    @property
    def mean_eigenvalue(self) -> float:
        """Return the mean eigenvalue of the (n, n) Gram, the unit of the penalties."""
        return (
            float(np.square(self.singular).sum() / len(self.left)) if self.singular.size else 1.0
        )


def _targets(labels: NDArray[np.int64], num_classes: int) -> NDArray[np.float64]:
    return np.where(labels[:, None] == np.arange(num_classes), 1.0, -1.0)  # (n, K)


def _loo_scores(
    parts: _Decomposition, targets: NDArray[np.float64], penalty: float
) -> NDArray[np.float64]:
    """Return the (n, K) leave-one-out scores: y - (y - fitted) / (1 - leverage).

    The leverage holds the 1/n of the unpenalised intercept; without it the penalty that
    leave-one-out picks is far too small (leave-one-out of a linear
    smoother: Hastie et al., ESL 2009, section 7.10).
    """
    shrink = parts.singular**2 / (parts.singular**2 + penalty)
    mean = targets.mean(axis=0)
    fitted = mean + (parts.left * shrink) @ (parts.left.T @ (targets - mean))
    leverage = 1 / len(targets) + np.square(parts.left) @ shrink
    residual = (targets - fitted) / np.maximum(1 - leverage, 1e-12)[:, None]
    scores: NDArray[np.float64] = targets - residual
    return scores


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
    parts = _Decomposition.of(features.astype(np.float64))
    targets = _targets(labels, num_classes)
    penalties = PENALTIES * parts.mean_eigenvalue
    return RidgePath(penalties, np.stack([_loo_scores(parts, targets, p) for p in penalties]))


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
        the leave-one-out scores best. Pictures of a class with a single picture are left out
        of that choice, since their class is unknown to the fit without them.
    """
    scale = (
        Standardisation.of(features)
        if standardise
        else Standardisation.identity(features.shape[1])
    )
    parts = _Decomposition.of(scale.apply(features))
    targets = _targets(labels, num_classes)
    testable = np.bincount(labels, minlength=num_classes)[labels] > 1
    if testable.any():
        grid = PENALTIES * parts.mean_eigenvalue
        paths = [_loo_scores(parts, targets, p)[testable] for p in grid]
        errors = [np.square(path - targets[testable]).mean() for path in paths]
        best = int(np.argmin(errors))
        penalty = grid[best] * regularisation
        held_out = _loo_scores(parts, targets, penalty)[testable]
        steepness = inverse_temperature(held_out, labels[testable])
    else:
        penalty = _FALLBACK_PENALTY * parts.mean_eigenvalue * regularisation
        steepness = _FALLBACK_SCALE
    mean = targets.mean(axis=0)
    filtered = parts.singular / (parts.singular**2 + penalty)
    weight = ((parts.left * filtered).T @ (targets - mean)).T @ parts.right  # (K, d)
    head = LinearHead(weight, mean - weight @ parts.mean)
    return scale.fold_into(LinearHead(head.weight * steepness, head.bias * steepness))
