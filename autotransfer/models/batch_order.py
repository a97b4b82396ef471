"""In which order the items of a training come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def endless_order(
    n: int, batch_size: int, generator: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yield batches of positions, a fresh permutation for each epoch.

    A single image that is left over has no batch statistics: the first one of the epoch is
    shown with it once more.
    """
    while True:
        permutation = generator.permutation(n).astype(np.int64)
        for start in range(0, n, batch_size):
            batch = permutation[start : start + batch_size]
            yield np.append(batch, permutation[0]) if len(batch) == 1 < n else batch


@dataclass
class Cycle:
    """Positions in random order, each once before any comes again."""

    num_images: int
    seed: int

    def __post_init__(self) -> None:
        self._generator = np.random.default_rng(self.seed)
        self._left = np.empty(0, dtype=np.int64)

    def next(self, size: int) -> NDArray[np.int64]:
        """Return the next (size,) positions."""
        while len(self._left) < size:
            self._left = np.concatenate([self._left, self._generator.permutation(self.num_images)])
        positions, self._left = self._left[:size], self._left[size:]
        return positions
