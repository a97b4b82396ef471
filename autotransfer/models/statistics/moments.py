"""Sums over centred rows, from one pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from autotransfer.models.linear_algebra import Array, Rows, add_outer, mirror_lower, spans


@dataclass(frozen=True)
class Moments:
    """The sums over centred rows.

    Args:
        class_sums: (K, d) sum of the centred rows of each class.
        squared_norms: (n,) squared norm of each centred row.
        gram: (d, d) centred Gram where n > d, otherwise its (n, n) dual.
        mean_products: (n,) product of each centred row with the mean.
    """

    class_sums: Array
    squared_norms: Array
    gram: Array
    mean_products: Array


@dataclass(frozen=True)
class Labelled:
    """Rows with what is needed to centre them and to sum them by class.

    Args:
        rows: (n, d) features.
        labels: (n,) classes in [0, K).
        num_classes: K.
        mean: (d,) mean of the rows.
    """

    rows: Rows
    labels: NDArray[np.int64]
    num_classes: int
    mean: Array

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """Yield (slice, (b, d) centred float64 rows), about 4 MiB at a time."""
        for part in spans(*self.rows.shape):
            yield part, self.rows[part] - self.mean


def class_indicator(labels: NDArray[np.int64], num_classes: int) -> Any:
    """Return the sparse (K, b) matrix whose product with rows is their class sums."""
    size = len(labels)
    return sparse.csr_matrix((np.ones(size), (labels, np.arange(size))), shape=(num_classes, size))


def primal_moments(batch: Labelled) -> Moments:
    """Return the moments with the (d, d) Gram."""
    (n, d), K = batch.rows.shape, batch.num_classes
    gram: Array = np.zeros((d, d), order="F")
    sums, norms, products = np.zeros((K, d)), np.empty(n), np.empty(n)
    for part, block in batch.blocks():
        add_outer(gram, block)
        norms[part] = np.einsum("ij,ij->i", block, block)
        products[part] = block @ batch.mean
        sums += class_indicator(batch.labels[part], K) @ block
    mirror_lower(gram)
    return Moments(sums, norms, gram, products)


def dual_moments(batch: Labelled) -> Moments:
    """Return the moments with the (n, n) dual of the Gram."""
    (n, d), K = batch.rows.shape, batch.num_classes
    gram: Array = np.zeros((n, n), order="F")
    sums, products = np.empty((K, d)), np.zeros(n)
    indicator = class_indicator(batch.labels, K)
    for part in spans(d, n):
        block = batch.rows[:, part] - batch.mean[part]  # (n, b)
        add_outer(gram, np.ascontiguousarray(block.T))
        sums[:, part] = indicator @ block
        products += block @ batch.mean[part]
    mirror_lower(gram)
    return Moments(sums, np.diagonal(gram).copy(), gram, products)
