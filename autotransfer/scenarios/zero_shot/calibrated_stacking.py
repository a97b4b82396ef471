"""Calibrated stacking: what to subtract from seen classes, from classes that play unseen.

One division says little: the stacking offset is the mean over several, each with about as large a
share of unseen classes as the real problem has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.models.heads.linear import inverse_temperature
from autotransfer.scenarios.zero_shot.metrics import SeenUnseen, seen_unseen_curve

Array = NDArray[np.float64]

LEAST_DIVISIONS = 3


@dataclass(frozen=True)
class Division:
    """Scores of images that a fit without some classes did not learn from.

    Args:
        scores: (n, K) scores, its seen classes first.
        labels: (n,) classes in [0, K).
    """

    scores: Array
    labels: NDArray[np.int64]
    num_seen: int

    @property
    def curve(self) -> SeenUnseen:
        """Return the seen-unseen curve."""
        return seen_unseen_curve(self.scores, self.labels, self.num_seen)


@dataclass(frozen=True)
class Calibration:
    """How scores become probabilities.

    Args:
        stacking_offset: What is subtracted from the scores of seen classes, in units of the score.
        inverse_temperature: Factor of all scores before the softmax.
        unseen: Mean U over the divisions at that stacking_offset, per-class top-1 in [0, 1].
        seen: Mean S.
        area: Mean AUSUC.
    """

    stacking_offset: float
    inverse_temperature: float
    unseen: float
    seen: float
    area: float


def calibrate(divisions: Sequence[Division]) -> Calibration:
    """Return the stacking offset that is best on average over the divisions.

    The harmonic mean is averaged over the divisions at every offset; the middle of the best
    stretch is taken. Averaging the curve, not the winners, keeps one odd division from deciding.

    Args:
        divisions: At least three.

    Raises:
        ValueError: If there are fewer.
    """
    if len(divisions) < LEAST_DIVISIONS:
        raise ValueError(f"{len(divisions)} division(s); at least {LEAST_DIVISIONS} are needed")
    curves = [division.curve for division in divisions]
    tried = np.unique(np.concatenate([curve.stacking_offsets for curve in curves]))
    mean = np.mean([curve.harmonic[curve.places(tried)] for curve in curves], axis=0)
    best = np.flatnonzero(mean >= mean.max() - 1e-12)
    stretch = best[: np.flatnonzero(np.append(np.diff(best), 2) > 1)[0] + 1]
    stacking_offset = float(tried[stretch].mean())
    unseen, seen = np.mean([curve.at(stacking_offset) for curve in curves], axis=0)
    return Calibration(
        stacking_offset=stacking_offset,
        inverse_temperature=_inverse_temperature(divisions),
        unseen=float(unseen),
        seen=float(seen),
        area=float(np.mean([curve.area for curve in curves])),
    )


def _inverse_temperature(divisions: Sequence[Division]) -> float:
    """Return the factor with the least log loss of held-out classes among themselves."""
    factors = []
    for division in divisions:
        held_out = division.labels >= division.num_seen
        scores = division.scores[held_out][:, division.num_seen :]
        factors.append(inverse_temperature(scores, division.labels[held_out] - division.num_seen))
    return float(np.exp(np.mean(np.log(factors))))
