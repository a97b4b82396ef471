"""ESZSL at the middle of its penalties: nothing is chosen, so one dense solution is enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.plugin import linear_algebra, zero_shot
from autotransfer_attribute_zero_shot.predictor import Towers, TowersPredictor
from autotransfer_attribute_zero_shot.scaling import Array, Scaling, feature_scaling, row_scaling

NORMALISATION, ROWS = "standardise", "standardised"


@dataclass(frozen=True)
class MiddleTask:
    """Images of the seen classes, as one source sees them, and all rows.

    Args:
        z: (n, d) scaled features.
        features: What was done to them.
        labels: (n,) classes in [0, K).
        table: Rows of all classes, the seen ones first.
        rows: What is done to rows.
    """

    z: Array
    features: Scaling
    labels: NDArray[np.int64]
    table: zero_shot.Attributes
    rows: Scaling

    @classmethod
    def of(
        cls, x: NDArray[np.floating], labels: NDArray[np.int64], table: zero_shot.Attributes
    ) -> MiddleTask:
        """Return the task of (n, d) features."""
        features = feature_scaling(x, NORMALISATION)
        return cls(features.apply(x), features, labels, table, row_scaling(table.values, ROWS))

    @property
    def seen(self) -> Array:
        """Return the (K, a) scaled rows of the seen classes."""
        return self.rows.apply(self.table.values[: self.table.num_seen])

    @property
    def gamma(self) -> float:
        """Return the penalty on features: the mean eigenvalue of z'z, those of noise apart."""
        varying = int(np.count_nonzero(self.features.scale))
        rank = max(min(len(self.z) - 1, varying), 1)  # features are centred
        return max(float(np.square(self.z).sum()) / rank, 1e-300)

    @property
    def lam(self) -> float:
        """Return the penalty on attributes: the mean eigenvalue of the rows."""
        return linear_algebra.Decomposition.of(self.seen).unit

    @property
    def problem(self) -> zero_shot.Eszsl:
        """Return what has every way of leaving classes out."""
        return zero_shot.Eszsl.of(self.z, self.labels, self.seen)


def middle_eszsl(task: MiddleTask, stage: int) -> TowersPredictor:
    """Return ESZSL at the mean eigenvalues, which are the middle of the grid, unsharpened.

    The map from features to attributes, for explanations, has the same penalty.
    """
    values, seen = task.table.values[task.labels], task.seen
    mean = values.mean(axis=0)
    targets = np.hstack([zero_shot.class_targets(task.labels, len(seen)), values - mean])
    with linear_algebra.single_thread():
        found = ridge(task.z, targets, task.gamma)
        to_rows = zero_shot.row_kernel(seen, np.eye(seen.shape[1]), task.lam)  # (K, a)
    a = seen.shape[1]
    towers = Towers(found[:, : len(seen)] @ to_rows, np.zeros(a), np.eye(a))
    explained = np.vstack([found[:, len(seen) :], mean])
    return TowersPredictor(towers, task.features, task.rows, explained, task.table.values, stage)


def ridge(z: Array, targets: Array, penalty: float) -> Array:
    """Return (z'z + penalty)^-1 z' targets through the smaller of the two Grams."""
    n, d = z.shape
    if d <= n:
        return linear_algebra.solved(z.T @ z + penalty * np.eye(d), z.T @ targets)
    return z.T @ linear_algebra.solved(z @ z.T + penalty * np.eye(n), targets)
