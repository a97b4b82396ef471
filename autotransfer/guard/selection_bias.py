"""What the winner's luck could be worth at most, when many trials compete on the same items."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from autotransfer.guard.bootstrap import LEVEL, TOLERANCE, mean_score, rounds_of
from autotransfer.models.metrics import Metric

_DRAWS = 1000


def competition_bound(
    metric: Metric,
    labels: NDArray[np.int64],
    trials: Mapping[int, NDArray[np.float64]],
    baseline: NDArray[np.float64],
    units: NDArray[np.int64],
    *,
    seed: int,
    level: float = LEVEL,
) -> float:
    """Return the largest lower limit of a trial's gap, where the limits of all hold together.

    Above zero, some trial beats the baseline however many were tried. It is a bound for the
    worst case, that the winner was chosen for its luck alone.

    Args:
        metric: The score.
        labels: (m,) classes.
        trials: (m, K) validation probabilities of each trial.
        baseline: (m, K) out-of-fold probabilities of the rival, or (R, m, K) of its rounds.
        units: (m,) what belongs together.
        seed: Seeds the resamples.
        level: Error of all limits together.

    References:
        Westfall and Young, Resampling-Based Multiple Testing, 1993 (max-T).
    """
    _, unit_of = np.unique(units, return_inverse=True)
    num_units = int(unit_of.max()) + 1
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(num_units, np.full(num_units, 1 / num_units), size=_DRAWS)
    weights = drawn[:, unit_of]
    rows = np.stack(list(trials.values()))
    rounds = rounds_of(baseline)
    theirs = np.mean([metric.resampled(labels, p, weights) for p in rounds], axis=0)
    own = mean_score(metric, labels, rounds)
    sampled = np.stack([metric.resampled(labels, p, weights) - theirs for p in rows], axis=1)
    gaps = np.array([metric.score(labels, p) - own for p in rows])
    errors = sampled.std(axis=0)
    moves = errors > TOLERANCE
    if not moves.any():
        return float(gaps.max())
    studentised = (sampled[:, moves] - gaps[moves]) / errors[moves]
    critical = float(np.quantile(studentised.max(axis=1), 1 - level))
    return float((gaps - critical * errors).max())
