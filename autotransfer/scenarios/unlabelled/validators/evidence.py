"""What a validator may read: predictions and features, and labels of source images alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SMALLEST = 1e-12


@dataclass(frozen=True)
class Mixed:
    """Predictions for blends of two target images.

    Args:
        first: (r,) positions of the images that make up the larger part.
        second: (r,) positions of the others.
        probabilities: (r, K) what is predicted of the blends.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    probabilities: NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """What one predictor says of images that it was not trained on.

    Args:
        target: (n, K) probabilities of target images.
        target_features: (n, d) what its classifier reads of them.
        source: (m, K) probabilities of held-out source images.
        source_features: (m, d).
        source_labels: (m,) classes of the held-out source images.
        mixed: Predictions for blends; None where there are none.
        seed: For validators that draw at random.
        frozen: (n, d) what the source sees in the target images, before anything is adapted; None
            where it is not known.
        class_shares: (K,) of the target, where classes seem to be absent from it.
    """

    target: NDArray[np.float64]
    target_features: NDArray[np.float64]
    source: NDArray[np.float64]
    source_features: NDArray[np.float64]
    source_labels: NDArray[np.int64]
    mixed: Mixed | None = None
    seed: int = 0
    frozen: NDArray[np.float64] | None = None
    class_shares: NDArray[np.float64] | None = None

    @property
    def num_classes(self) -> int:
        """Return K."""
        return int(self.target.shape[1])

    @property
    def answers(self) -> NDArray[np.int64]:
        """Return the (n,) most probable class of each target image."""
        found: NDArray[np.int64] = self.target.argmax(axis=1).astype(np.int64)
        return found


def entropy_of(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy over the last axis, in nats."""
    found: NDArray[np.float64] = -(shares * np.log(np.maximum(shares, SMALLEST))).sum(axis=-1)
    return found
