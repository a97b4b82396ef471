from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sample:
    features: NDArray[np.float64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    def arguments(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        return self.features, self.labels, self.probabilities


def draw(seed: int, n: int = 60, d: int = 7, K: int = 3) -> Sample:
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % K
    centres = generator.normal(size=(K, d))
    features = centres[labels] + generator.normal(size=(n, d)) + 0.5
    return Sample(features, labels, generator.dirichlet(np.ones(4), size=n))
