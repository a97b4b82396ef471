"""ESZSL: a bilinear compatibility between features and attribute rows, in closed form.

One decomposition of the features and one of the rows serve the whole grid of penalties, and every
way of leaving classes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from autotransfer.models.heads.ridge import targets_of
from autotransfer.models.linear_algebra import principal_axes
from autotransfer.models.single_thread import single_thread

Array = NDArray[np.float64]
class_targets = targets_of  # by the name that the plugin API has

PENALTIES = tuple(np.logspace(-3, 3, 7).tolist())  # in units of the mean eigenvalue
_RANK_TOLERANCE = 1e-10  # of the largest eigenvalue


@dataclass(frozen=True)
class Decomposition:
    """The eigenvectors of x'x that x has a part in.

    Args:
        basis: (d, r) orthonormal columns.
        values: (r,) eigenvalues of x'x, above rounding.
        coordinates: (n, r) x in that basis.
    """

    basis: Array
    values: Array
    coordinates: Array

    @classmethod
    def of(cls, x: NDArray[np.floating]) -> Decomposition:
        """Return the decomposition of (n, d) rows, through the smaller of the two Grams."""
        rows: Array = x.astype(np.float64)
        with single_thread():
            basis, values = principal_axes(rows, tolerance=_RANK_TOLERANCE)
            return cls(basis, values, rows @ basis)

    @property
    def unit(self) -> float:
        """Return the mean eigenvalue, in which penalties are counted."""
        return float(self.values.mean()) if len(self.values) else 1.0


@dataclass(frozen=True)
class Eszsl:
    """The problem after its two decompositions.

    Args:
        features: Of the (n, d) features of images of the K seen classes.
        targets: (n, K) targets, 1 and -1.
        rows: Of the (K, a) attribute rows.

    References:
        Romera-Paredes and Torr, An embarrassingly simple approach to zero-shot learning, ICML
        2015, equation 8: V = (Z'Z + gamma I)^-1 Z'Y A (A'A + lambda I)^-1.
    """

    features: Decomposition
    targets: Array
    rows: Decomposition

    @classmethod
    def of(
        cls, z: NDArray[np.floating] | Decomposition, labels: NDArray[np.int64], rows: Array
    ) -> Eszsl:
        """Return the problem of (n, d) features, (n,) labels in [0, K) and (K, a) rows."""
        features = z if isinstance(z, Decomposition) else Decomposition.of(z)
        return cls(features, class_targets(labels, len(rows)), Decomposition.of(rows))

    @cached_property
    def moments(self) -> Array:
        """Return the (r, K) products of features and targets."""
        return self.features.coordinates.T @ self.targets

    def compatibility(self, gamma: float, lam: float) -> Array:
        """Return V, (d, a), for penalties on features and on attributes: score = z V a."""
        evidence = self.moments @ self.rows.coordinates  # (r, q)
        left = self.features.basis @ (evidence / (self.features.values + gamma)[:, None])
        return (left / (self.rows.values + lam)) @ self.rows.basis.T

    def left_out_evidence(self, positions: NDArray[np.int64], gamma: float) -> Array:
        """Return the (b, K) class evidence z B of images that B = (Z'Z + gamma I)^-1 Z'Y misses.

        The block form of leave-one-out: (I - H)^-1 (fit - H y) with the block H of the hat
        matrix. The columns of classes that are left out with their images say nothing.

        Args:
            positions: (b,) images that are left out together.
            gamma: Penalty on the features.
        """
        shrink = 1 / (self.features.values + gamma)
        block = self.features.coordinates[positions]  # (b, r)
        hat = (block * shrink) @ block.T  # (b, b)
        fitted = (block * shrink) @ self.moments
        slack = np.eye(len(positions)) - hat
        return solved(slack, fitted - hat @ self.targets[positions])


def row_kernel(rows: Array, others: Array, lam: float) -> Array:
    """Return A (A'A + lambda I)^-1 R', (K, c): from class evidence to scores of c rows.

    Args:
        rows: (K, a) rows that were learned from.
        others: (c, a) rows to score.
        lam: Penalty on the attributes.
    """
    gram = rows @ rows.T
    return solved(gram + lam * np.eye(len(rows)), rows @ others.T)


def solved(matrix: Array, right: Array) -> Array:
    """Return the solution of a symmetric positive definite system."""
    return scipy.linalg.solve(matrix, right, assume_a="pos", check_finite=False)
