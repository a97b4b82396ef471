"""The four heads behind one face: scaled features, labels and rows in, towers out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from autotransfer.plugin import linear_algebra, zero_shot
from autotransfer_attribute_zero_shot.dap import fit_dap
from autotransfer_attribute_zero_shot.embedding import fit_embedding
from autotransfer_attribute_zero_shot.predictor import Towers
from autotransfer_attribute_zero_shot.sae import TO_FEATURES, fit_sae
from autotransfer_attribute_zero_shot.scaling import Array

PARTITIONS = 2  # of the classes, to choose penalties with
GROUP = 3  # classes of a group: enough to be wrong in more than one way


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


Head = Callable[[HeadTask], Towers]


def class_groups(num_classes: int, seed: int) -> list[list[int]]:
    """Return groups of classes to hold out; at least two classes always remain."""
    size = min(GROUP, num_classes // 2)
    return (
        list(zero_shot.partitions(num_classes, size, PARTITIONS, seed=seed)) if size >= 2 else []
    )


def fit_eszsl(task: HeadTask) -> Towers:
    """Return ESZSL with the penalties that tell held-out classes apart best."""
    left_out = zero_shot.LeftOut.of(task.decomposition, task.labels, task.rows)
    gamma, lam = chosen_penalties(left_out, task.seed)
    problem = zero_shot.Eszsl.of(task.decomposition, task.labels, task.rows)
    compatibility = problem.compatibility(gamma * task.strength, lam)
    a = task.rows.shape[1]
    return sharpened(Towers(compatibility, np.zeros(a), np.eye(a)), task)


def sae(task: HeadTask) -> Towers:
    """Return a semantic autoencoder."""
    towers = fit_sae(
        task.decomposition,
        task.labels,
        task.rows,
        strength=task.strength,
        direction=task.direction,
    )
    return sharpened(towers, task)


def dap(task: HeadTask) -> Towers:
    """Return direct attribute prediction; `rows` are shares here."""
    size = min(GROUP, len(task.rows) // 2)
    groups = (
        list(zero_shot.partitions(len(task.rows), size, 1, seed=task.seed)) if size >= 2 else []
    )
    towers = fit_dap(task.decomposition, task.labels, task.rows, groups, strength=task.strength)
    return sharpened(towers, task)


def embedding(task: HeadTask) -> Towers:
    """Return a common embedding of features and rows."""
    towers = fit_embedding(
        task.decomposition,
        task.labels,
        task.rows,
        strength=task.strength,
        seed=task.seed,
        deadline=task.deadline,
    )
    return sharpened(towers, task)


HEADS: Mapping[str, Head] = {"eszsl": fit_eszsl, "sae": sae, "dap": dap, "embedding": embedding}


def eszsl_left_out(task: HeadTask, others: Array) -> zero_shot.ClosedForm:
    """Return the fits without some classes for every pair of penalties.

    Args:
        task: What the head learns from.
        others: (K, a) scaled rows of all classes, the seen ones first.
    """
    left_out = zero_shot.LeftOut.of(task.decomposition, task.labels, task.rows)
    gamma, lam = chosen_penalties(left_out, task.seed)
    place = left_out.gammas.index(gamma) * len(left_out.lams) + left_out.lams.index(lam)
    stronger = replace(left_out, gammas=tuple(g * task.strength for g in left_out.gammas))
    return zero_shot.ClosedForm(
        lambda group: stronger.scores(group, others),
        place,
        lambda pairs, drawn: stronger.exchanged(pairs, drawn, others),
    )


def chosen_penalties(left_out: zero_shot.LeftOut, seed: int) -> tuple[float, float]:
    """Return the penalties with the best held-out accuracy; of equals the middle ones."""
    middle = len(left_out.gammas) * len(left_out.lams) // 2
    groups = class_groups(len(left_out.rows), seed)
    if not groups:
        return left_out.penalties_at(middle)
    found = left_out.accuracies(groups)
    best = np.flatnonzero(found >= found.max() - 1e-12)
    return left_out.penalties_at(int(best[np.argmin(np.abs(best - middle))]))


def sharpened(towers: Towers, task: HeadTask) -> Towers:
    """Return the towers with scores whose spread over images and seen classes is one."""
    spread = float(towers.scores(task.z, task.rows).std())
    return replace(towers, sharpness=towers.sharpness / max(spread, 1e-12))
