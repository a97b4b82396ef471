"""Two feature samples, checked, and what the measures share of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from autotransfer.errors import InvalidTargetError, UndefinedScoreError
from autotransfer.models.linear_algebra import Array
from autotransfer.models.statistics.input_checks import LARGEST, as_array

MAXIMUM_PAIRWISE = 2000  # images of each side in measures that compare all pairs
SEED = 0


@dataclass(frozen=True, eq=False)
class Samples:
    """Features of two image sets by one backbone.

    Args:
        left: (n, d) features of one set, float64.
        right: (m, d) features of the other.
    """

    left: Array
    right: Array

    @classmethod
    def of(cls, left: ArrayLike, right: ArrayLike) -> Samples:
        """Return two checked samples.

        Raises:
            InvalidTargetError: A ValueError, if a sample is no matrix of finite numbers, is
                empty, or has another width than the other.
        """
        first, second = _checked(left, "first"), _checked(right, "second")
        if first.shape[1] != second.shape[1]:
            raise InvalidTargetError(
                f"the two samples have {first.shape[1]} and {second.shape[1]} features; "
                "distances need the features of one and the same backbone"
            )
        return cls(first, second)

    @property
    def num_features(self) -> int:
        """Return d."""
        return int(self.left.shape[1])

    @cached_property
    def pairwise(self) -> tuple[Array, Array]:
        """Return both samples, cut to at most 2000 rows chosen with a fixed seed."""
        generator = np.random.default_rng(SEED)
        return _cut(self.left, generator), _cut(self.right, generator)

    @cached_property
    def squared_distances(self) -> Array:
        """Return the (p, p) squared distances within and between the samples of `pairwise`."""
        pooled = np.concatenate(self.pairwise)
        return cdist(pooled, pooled, "sqeuclidean")

    def require(self, name: str, num_images: int) -> None:
        """Refuse samples that are too small.

        Raises:
            UndefinedScoreError: If a sample has fewer than `num_images` rows.
        """
        fewest = min(len(self.left), len(self.right))
        if fewest < num_images:
            raise UndefinedScoreError(
                f"{name} needs at least {num_images} images in each set; one has {fewest}"
            )


def _checked(values: ArrayLike, which: str) -> Array:
    sample = as_array(values, f"the {which} sample")
    if sample.ndim != 2 or 0 in sample.shape or sample.dtype.kind not in "fiub":
        raise InvalidTargetError(
            f"the {which} sample must be a matrix of numbers (images, features) that is not "
            f"empty, got shape {sample.shape} of {sample.dtype}"
        )
    if not np.isfinite(sample).all():
        raise InvalidTargetError(f"the {which} sample has infinite or NaN features")
    sample = sample.astype(np.float64)
    if max(sample.max(), -sample.min()) > LARGEST:
        raise InvalidTargetError(
            f"the {which} sample is too large: its squares overflow beyond {LARGEST:g}; scale "
            "both samples down"
        )
    return sample


def _cut(sample: Array, generator: np.random.Generator) -> Array:
    if len(sample) <= MAXIMUM_PAIRWISE:
        return sample
    kept = generator.choice(len(sample), MAXIMUM_PAIRWISE, replace=False)
    return sample[np.sort(kept)]
