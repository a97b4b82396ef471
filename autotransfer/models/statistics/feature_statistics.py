"""What every transferability score needs of one (source, stage, target), computed once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from autotransfer.errors import InvalidTargetError, UndefinedScoreError
from autotransfer.models.linear_algebra import (
    EPSILON,
    Array,
    Rows,
    Tridiagonal,
    spans,
    tridiagonalise,
)
from autotransfer.models.statistics.input_checks import (
    checked_labels,
    checked_probabilities,
    checked_rows,
    not_finite,
)
from autotransfer.models.statistics.moments import (
    Labelled,
    Moments,
    dual_moments,
    primal_moments,
)

_CONSTANT = 1e-20  # spread / squared mean below which only rounding separates the rows


@dataclass(frozen=True)
class Spectrum:
    """The eigenvalues above rounding of the centred Gram, ascending, with their vectors.

    Args:
        values: (r,) eigenvalues.
        vectors: (d, r) where n > d, (n, r) for the dual.
    """

    values: Array
    vectors: Array


@dataclass(frozen=True, eq=False)
class Statistics:
    """Features and labels with everything the scores share, each part computed at most once.

    Rows keep the precision they came in and are not copied; every sum is float64.

    Args:
        rows: (n, d) features.
        labels: (n,) classes in [0, K), none of them empty.
        classes: (K,) the label that each class had in the input.
        probabilities: (n, Z) class probabilities of the source's head, where it has one.
    """

    rows: Rows
    labels: NDArray[np.int64]
    classes: NDArray[Any]
    probabilities: NDArray[np.floating] | None = None

    @classmethod
    def of(
        cls, features: ArrayLike, labels: ArrayLike, probabilities: ArrayLike | None = None
    ) -> Statistics:
        """Return the statistics of (n, d) features and (n,) labels of any kind.

        Args:
            features: (n, d) finite numbers; float32 and float64 are not copied.
            labels: (n,) integers, strings or booleans; they need not be contiguous.
            probabilities: (n, Z) class probabilities of the source's head.

        Raises:
            InvalidTargetError: A ValueError that names what is wrong with the input.
        """
        rows = checked_rows(features)
        classes, compressed = checked_labels(labels, len(rows))
        statistics = cls(rows, compressed, classes, checked_probabilities(probabilities, rows))
        if not np.isfinite(statistics.mean).all():
            raise InvalidTargetError(not_finite(rows))
        return statistics

    @property
    def num_images(self) -> int:
        """Return n."""
        return len(self.rows)

    @property
    def num_features(self) -> int:
        """Return d."""
        return int(self.rows.shape[1])

    @property
    def num_classes(self) -> int:
        """Return the number K of classes that occur."""
        return len(self.classes)

    @property
    def is_dual(self) -> bool:
        """Return whether the Gram is the (n, n) one: n <= d."""
        return self.num_images <= self.num_features

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Return the (K,) number of images of each class."""
        return np.bincount(self.labels, minlength=self.num_classes)

    @cached_property
    def mean(self) -> Array:
        """Return the (d,) mean of the features."""
        total = np.zeros(self.num_features)
        with np.errstate(
            invalid="ignore", over="ignore"
        ):  # told where it comes in, with the place
            for part in spans(self.num_images, self.num_features):
                total += self.rows[part].sum(axis=0, dtype=np.float64)
        return total / self.num_images

    @cached_property
    def moments(self) -> Moments:
        """Return the sums over centred rows, from one pass."""
        return dual_moments(self.labelled) if self.is_dual else primal_moments(self.labelled)

    @property
    def gram(self) -> Array:
        """Return the centred (d, d) Gram, or the centred (n, n) dual where n <= d."""
        return self.moments.gram

    @cached_property
    def class_means(self) -> Array:
        """Return the (K, d) class means, with the overall mean taken off."""
        return self.moments.class_sums / self.counts[:, None]

    @property
    def trace(self) -> float:
        """Return the trace of the centred Gram: the total squared spread."""
        return float(self.moments.squared_norms.sum())

    @property
    def fourth_moment(self) -> float:
        """Return the sum of the fourth powers of the norms of the centred rows."""
        return float(np.square(self.moments.squared_norms).sum())

    @cached_property
    def gram_norm(self) -> float:
        """Return the Frobenius norm of the centred Gram; the dual has the same."""
        return float(np.linalg.norm(self.gram))

    @cached_property
    def spectrum(self) -> Spectrum:
        """Return the eigenvalues and vectors of the centred Gram, without its null space."""
        values, vectors = linalg.eigh(self.gram, check_finite=False, driver="evd")
        floor = max(self.num_images, self.num_features) * EPSILON * max(float(values[-1]), 0.0)
        kept = values > floor
        return Spectrum(values[kept], vectors[:, kept])

    @cached_property
    def coordinates(self) -> Array:
        """Return the (n, r) centred rows in their principal axes, smallest variance first.

        A rotation without the null space: distances and products are those of the rows.
        """
        values, vectors = self.spectrum.values, self.spectrum.vectors
        if self.is_dual:
            return vectors * np.sqrt(values)
        return np.concatenate([block @ vectors for _, block in self.centred_blocks()])

    @cached_property
    def uncentred_dual(self) -> Spectrum:
        """Return all n eigenvalues and vectors of FF', for n <= d; rounding is set to zero."""
        along = self.moments.mean_products
        outer = self.gram + along[:, None] + along[None, :] + float(self.mean @ self.mean)
        values, vectors = linalg.eigh(outer, overwrite_a=True, check_finite=False, driver="evd")
        floor = len(values) * EPSILON * values[-1]
        return Spectrum(np.where(values > floor, values, 0.0), vectors)

    @cached_property
    def tridiagonal(self) -> Tridiagonal:
        """Return F'F = Q T Q' with the class sums of the rows turned by Q', for n > d.

        The eigenvalues cost a third of those with vectors, and T solves in O(d).
        """
        mean = self.mean
        inner: Array = np.array(self.gram, order="F")
        for start in range(0, len(mean), 256):  # in pieces: no second (d, d) array
            part = slice(start, start + 256)
            inner[:, part] += self.num_images * np.outer(mean, mean[part])
        sums = self.moments.class_sums + self.counts[:, None] * mean
        return tridiagonalise(inner, sums.T)

    @property
    def uncentred_values(self) -> Array:
        """Return the min(n, d) eigenvalues of the uncentred Gram, ascending."""
        return self.uncentred_dual.values if self.is_dual else self.tridiagonal.values

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Return the (n,) positions of the images, sorted by class."""
        return np.argsort(self.labels, kind="stable")

    @property
    def labelled(self) -> Labelled:
        """Return the rows with their labels and mean."""
        return Labelled(self.rows, self.labels, self.num_classes, self.mean)

    def centred_blocks(self) -> Iterator[tuple[slice, Array]]:
        """Yield (slice, (b, d) centred float64 rows) over all rows, about 4 MiB at a time."""
        return self.labelled.blocks()

    def positions_by_class(self) -> list[NDArray[np.int64]]:
        """Return the positions of the images of each class."""
        return np.split(self.order, np.cumsum(self.counts)[:-1])

    def require_classes(self, name: str) -> None:
        """Refuse a single class.

        Raises:
            UndefinedScoreError: If there are fewer than two classes.
        """
        if self.num_classes < 2:
            raise UndefinedScoreError(
                f"{name} needs at least two classes; all {self.num_images} images are of class "
                f"{self.classes[0]!r}"
            )

    def require_spread(self, name: str) -> None:
        """Refuse one class, and features that are the same for every image.

        Raises:
            UndefinedScoreError: If there is nothing to tell classes apart by.
        """
        self.require_classes(name)
        scale = self.num_images * float(self.mean @ self.mean)
        if self.trace <= _CONSTANT * scale or self.trace == 0:
            raise UndefinedScoreError(
                f"{name} is undefined: the {self.num_features} features are the same for all "
                f"{self.num_images} images; use another stage or source"
            )

    def require_probabilities(self, name: str) -> NDArray[np.floating]:
        """Return the source probabilities.

        Raises:
            UndefinedScoreError: If the source has no head, or there is one class.
        """
        self.require_classes(name)
        if self.probabilities is None:
            raise UndefinedScoreError(
                f"{name} needs the class probabilities of the source's head; "
                "this source has none (or source_probabilities was not given)"
            )
        return self.probabilities
