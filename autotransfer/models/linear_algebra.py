"""The few matrix products and factors that scores and heads share, in float64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.linalg import blas, lapack

Array: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.float32] | NDArray[np.float64]

EPSILON = float(np.finfo(np.float64).eps)
BLOCK_BYTES = 4 << 20  # a float64 block that stays small beside the features


def spans(length: int, width: int) -> Iterator[slice]:
    """Yield slices over `length` whose (slice, width) float64 block is about 4 MiB."""
    step = max(1, BLOCK_BYTES // (8 * max(width, 1)))
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))


def add_outer(total: Array, block: Array) -> None:
    """Add block' block to the lower triangle of `total`, in place.

    Args:
        total: (d, d) in Fortran order.
        block: (b, d) in C order.
    """
    blas.dsyrk(1.0, block.T, beta=1.0, c=total, lower=1, overwrite_c=1)


def mirror_lower(matrix: Array) -> None:
    """Copy the lower triangle of a square matrix onto the upper one, in place."""
    for start in range(0, len(matrix), 256):
        part = slice(start, start + 256)
        corner = np.tril(matrix[part, part])
        matrix[part, part] = corner + np.tril(corner, -1).T
        matrix[part, start + 256 :] = matrix[start + 256 :, part].T


def log_determinant(matrix: Array) -> float:
    """Return the natural log-determinant of a positive definite matrix, overwriting it."""
    factor = linalg.cholesky(matrix, lower=True, overwrite_a=True, check_finite=False)
    return 2.0 * float(np.log(np.diagonal(factor)).sum())


def squared_distances(left: Array, right: Array) -> Array:
    """Return the (a, b) squared Euclidean distances between two sets of rows."""
    squares = left @ right.T
    squares *= -2.0
    squares += np.einsum("ij,ij->i", left, left)[:, None]
    squares += np.einsum("ij,ij->i", right, right)
    return np.maximum(squares, 0.0, out=squares)


def principal_axes(
    rows: Array, most: int | None = None, *, tolerance: float | None = None
) -> tuple[Array, Array]:
    """Return the (d, r) leading principal axes of (n, d) rows, and what lies along each.

    They are orthonormal, and come from the smaller of the two Grams. The rows are taken as they
    are: centre them first.

    Args:
        rows: (n, d).
        most: The largest r; None is no limit.
        tolerance: Share of the largest eigenvalue below which an axis is left out; None is what
            rounding leaves of zero.

    Returns:
        The axes and the (r,) eigenvalues of rows' rows, ascending.
    """
    n, d = rows.shape
    share = max(n, d) * EPSILON if tolerance is None else tolerance
    gram = rows @ rows.T if n < d else rows.T @ rows
    values, vectors = linalg.eigh(gram, driver="evd", overwrite_a=True)
    kept = np.flatnonzero(values > share * max(float(values[-1]), 1e-300))
    kept = kept[-most:] if most else kept
    values, vectors = values[kept], vectors[:, kept]
    return (rows.T @ (vectors / np.sqrt(values)) if n < d else vectors), values


@dataclass(frozen=True, eq=False)
class Tridiagonal:
    """A symmetric matrix in tridiagonal form, Q T Q', with some columns turned by Q'.

    Args:
        diagonal: (d,) diagonal of T.
        off_diagonal: (d - 1,) the diagonal beside it.
        turned: (d, K) the columns times Q'.
    """

    diagonal: Array
    off_diagonal: Array
    turned: Array

    @cached_property
    def values(self) -> Array:
        """Return the (d,) eigenvalues, ascending, those below zero set to zero."""
        if len(self.diagonal) == 1:  # LAPACK takes no empty diagonal beside it
            return np.maximum(self.diagonal, 0.0)
        values = linalg.eigvalsh_tridiagonal(
            self.diagonal, self.off_diagonal, lapack_driver="sterf"
        )
        return np.maximum(values, 0.0, dtype=np.float64)

    def solve(self, shift: float, column: int) -> Array:
        """Return (T + shift I)^-1 times one turned column; the sum is positive definite."""
        if len(self.diagonal) == 1:
            return self.turned[:, column] / (self.diagonal + shift)
        pivots, factors, _ = lapack.dpttrf(self.diagonal + shift, self.off_diagonal)
        solution: Array = lapack.dpttrs(pivots, factors, self.turned[:, column])[0]
        return solution

    def eigenvectors(self) -> Array:
        """Return the (d, d) eigenvectors of T."""
        if len(self.diagonal) == 1:
            return np.ones((1, 1))
        _, vectors = linalg.eigh_tridiagonal(
            self.diagonal, self.off_diagonal, lapack_driver="stemr"
        )
        return vectors.astype(np.float64, copy=False)


def tridiagonalise(matrix: Array, columns: Array) -> Tridiagonal:
    """Return the tridiagonal form of a symmetric matrix, overwriting it.

    Args:
        matrix: (d, d) in Fortran order.
        columns: (d, K) to turn along.
    """
    size = len(matrix)
    if size == 1:
        return Tridiagonal(np.diagonal(matrix).copy(), np.empty(0), np.array(columns))
    work = int(lapack.dsytrd_lwork(size, lower=1)[0])
    reflectors, diagonal, off_diagonal, tau, _ = lapack.dsytrd(
        matrix, lower=1, lwork=work, overwrite_a=1
    )
    turned = np.array(columns, order="F")
    below = _below_diagonal(reflectors)  # Q leaves the first coordinate alone
    turned[1:] = lapack.dormqr("L", "T", below, tau, turned[1:], 64 * turned.shape[1])[0]
    return Tridiagonal(diagonal, off_diagonal, turned)


def _below_diagonal(matrix: Array) -> Array:
    """Return matrix[1:, :-1] in Fortran order, in the memory of the matrix itself."""
    size = len(matrix)
    flat = matrix.reshape(-1, order="F")  # a view
    for column in range(size - 1):
        start = column * (size - 1)
        flat[start : start + size - 1] = flat[column * size + 1 : (column + 1) * size]
    return flat[: (size - 1) ** 2].reshape(size - 1, size - 1, order="F")
