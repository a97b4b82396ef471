"""When a trial is not worth finishing: it is clearly below the median at a rung.

A step is a rung of the strategy's own budget within a fold, so it means the same for every
strategy. "Clearly" is one standard error of an accuracy on the pictures of the fold; with
eighty pictures a difference of a picture or two says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from autotransfer.results import Outcome

RUNGS_PER_FOLD = 3  # 1/9, 1/3 and 1 of a trial's own budget
_STARTUP = 4  # outcomes at a step before its median means anything


def step_of(fold: int, rung: int) -> int:
    """Return the step of a rung (0, 1 or 2) within a fold."""
    return fold * RUNGS_PER_FOLD + rung


def thresholds(outcomes: Sequence[Outcome], steps: int, num_validation: int) -> tuple[float, ...]:
    """Return for each step the score below which a trial is stopped.

    Args:
        outcomes: Everything that has finished so far.
        steps: Number of steps of a trial.
        num_validation: Number of validation pictures of a fold.

    Returns:
        One threshold a step, minus infinity where too little is known.
    """
    found: list[float] = []
    for step in range(steps):
        scores = [score for o in outcomes for at, score in o.rungs if at == step]
        if len(scores) < _STARTUP:
            found.append(-math.inf)
            continue
        middle = median(scores)
        share = min(max(middle, 0.0), 1.0)
        found.append(middle - math.sqrt(max(share * (1 - share), 0.01) / num_validation))
    return tuple(found)
