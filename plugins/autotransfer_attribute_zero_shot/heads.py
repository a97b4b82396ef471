"""The four heads behind one face: scaled features, labels and rows in, towers out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from autotransfer.described.eszsl import Decomposition
from autotransfer.described.holding_out import LeftOut, partitions
from autotransfer.described.pairs import LeftOutScores
from autotransfer_attribute_zero_shot.predictor import Towers
from autotransfer_attribute_zero_shot.scaling import Array

PARTITIONS = 2  # of the classes, to choose penalties with
GROUP = 3  # classes of a group: enough to be wrong in more than one way


@dataclass(frozen=True)
class HeadTask:
    """What a head learns from.

    Args:
        z: (n, d) scaled features of the seen classes' pictures.
        labels: (n,) classes in [0, K).
        rows: (K, a) scaled rows of the seen classes.
        strength: Multiplies the penalty.
        seed: Seeds everything random.
        deadline: `time.monotonic()` of the end; None is no limit.
    """

    z: Array
    labels: NDArray[np.int64]
    rows: Array
    strength: float
    seed: int
    deadline: float | None

    @cached_property
    def decomposition(self) -> Decomposition:
        """Return the decomposition of the features, which several steps share."""
        return Decomposition.of(self.z)


Head = Callable[[HeadTask], Towers]


def class_groups(num_classes: int, seed: int) -> list[list[int]]:
    """Return groups of classes to hold out; at least two classes always remain."""
    size = min(GROUP, num_classes // 2)
    return list(partitions(num_classes, size, PARTITIONS, seed=seed)) if size >= 2 else []


def fit_eszsl(task: HeadTask) -> Towers:
    """Return ESZSL with the penalties that tell held-out classes apart best."""
    left_out = LeftOut.of(task.decomposition, task.labels, task.rows)
    gamma, lam = chosen_penalties(left_out, task.seed)
    compatibility = left_out.problem.compatibility(gamma * task.strength, lam)
    return bilinear(compatibility, task)


def eszsl_left_out(task: HeadTask, others: Array) -> tuple[LeftOutScores, int]:
    """Return scores of left-out pictures for every pair of penalties, and which `fit` returns.

    Args:
        task: What the head learns from.
        others: (c, a) scaled rows to score.
    """
    left_out = LeftOut.of(task.decomposition, task.labels, task.rows)
    gamma, lam = chosen_penalties(left_out, task.seed)
    place = left_out.gammas.index(gamma) * len(left_out.lams) + left_out.lams.index(lam)
    stronger = replace(left_out, gammas=tuple(g * task.strength for g in left_out.gammas))
    return lambda group: stronger.scores(group, others), place


def chosen_penalties(left_out: LeftOut, seed: int) -> tuple[float, float]:
    """Return the penalties with the best held-out accuracy; of equals the middle ones."""
    middle = len(left_out.gammas) * len(left_out.lams) // 2
    groups = class_groups(len(left_out.rows), seed)
    if not groups:
        return left_out.penalties_at(middle)
    found = left_out.accuracies(groups)
    best = np.flatnonzero(found >= found.max() - 1e-12)
    return left_out.penalties_at(int(best[np.argmin(np.abs(best - middle))]))


def bilinear(compatibility: Array, task: HeadTask) -> Towers:
    """Return towers with the scores z V a, scaled so that their spread over classes is one."""
    spread = (task.z @ (compatibility @ task.rows.T)).std()
    a = task.rows.shape[1]
    return Towers(compatibility, np.zeros(a), np.eye(a), sharpness=1 / max(float(spread), 1e-12))
