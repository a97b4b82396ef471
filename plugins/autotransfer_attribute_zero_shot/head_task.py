"""What a head learns from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from autotransfer.plugin import linear_algebra, zero_shot
from autotransfer_attribute_zero_shot.scaling import Array

GROUP = 3  # classes of a group: enough to be wrong in more than one way
TO_FEATURES, TO_ATTRIBUTES = "to features", "to attributes"


@dataclass(frozen=True)
class HeadTask:
    """What a head learns from.

    Args:
        z: (n, d) scaled features of the seen classes' images.
        labels: (n,) classes in [0, K).
        rows: (K, a) scaled rows of the seen classes.
        strength: Multiplies the penalty.
        seed: Seeds everything random.
        deadline: `time.monotonic()` of the end; None is no limit.
        direction: Which way the semantic autoencoder is used.
    """

    z: Array
    labels: NDArray[np.int64]
    rows: Array
    strength: float
    seed: int
    deadline: float | None
    direction: str = TO_FEATURES

    @cached_property
    def decomposition(self) -> linear_algebra.Decomposition:
        """Return the decomposition of the features, which several steps share."""
        return linear_algebra.Decomposition.of(self.z)

    def class_groups(self, repeats: int) -> list[list[int]]:
        """Return groups of classes to hold out, of so many partitions; two always remain."""
        size = min(GROUP, len(self.rows) // 2)
        if size < 2:
            return []
        return list(zero_shot.partitions(len(self.rows), size, repeats, seed=self.seed))
