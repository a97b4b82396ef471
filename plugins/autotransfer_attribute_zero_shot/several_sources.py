"""ESZSL on several sources, its scores averaged, with every way of leaving classes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.plugin import zero_shot
from autotransfer_attribute_zero_shot.scaling import Array


@dataclass(frozen=True)
class MeanEvidence:
    """The class evidence of several sources, as if it came from one.

    Rows enter ESZSL after the features, by a matrix that is the same for every source. So the
    mean of the scores is what this matrix makes of the mean class evidence, and rows can be
    exchanged before anything is learned as they can for a single source.

    Args:
        problems: One for each source, of the same images and rows.
        gammas: Penalty on the features of each, absolute.
    """

    problems: Sequence[zero_shot.Eszsl]
    gammas: Sequence[float]

    def left_out_evidence(self, positions: NDArray[np.int64], gamma: float) -> Array:
        """Return the mean (b, K) class evidence of images that no source learnt from.

        Args:
            positions: (b,) images that are left out together.
            gamma: Multiplies the penalty of every source.
        """
        parts = [
            problem.left_out_evidence(positions, gamma * own)
            for problem, own in zip(self.problems, self.gammas, strict=True)
        ]
        mean: Array = np.mean(parts, axis=0)
        return mean
