"""The four heads behind one face: scaled features, labels and rows in, towers out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from autotransfer.plugin import zero_shot
from autotransfer_attribute_zero_shot.dap import fit_dap
from autotransfer_attribute_zero_shot.embedding import fit_embedding
from autotransfer_attribute_zero_shot.head_task import HeadTask
from autotransfer_attribute_zero_shot.predictor import Towers
from autotransfer_attribute_zero_shot.sae import fit_sae
from autotransfer_attribute_zero_shot.scaling import Array

PARTITIONS = 2  # of the classes, to choose penalties with

Head = Callable[[HeadTask], Towers]


def fit_eszsl(task: HeadTask) -> Towers:
    """Return ESZSL with the penalties that tell held-out classes apart best."""
    left_out = zero_shot.LeftOut.of(task.decomposition, task.labels, task.rows)
    gamma, lam = chosen_penalties(left_out, task)
    problem = zero_shot.Eszsl.of(task.decomposition, task.labels, task.rows)
    compatibility = problem.compatibility(gamma * task.strength, lam)
    a = task.rows.shape[1]
    return Towers(compatibility, np.zeros(a), np.eye(a))


HEADS: Mapping[str, Head] = {
    "eszsl": fit_eszsl,
    "sae": fit_sae,
    "dap": lambda task: fit_dap(task, task.class_groups(1)),
    "embedding": fit_embedding,
}


def fit_head(name: str, task: HeadTask) -> Towers:
    """Return a head with scores whose spread over images and seen classes is one.

    Args:
        name: One of `HEADS`.
        task: What it learns from; for "dap" the rows are shares.
    """
    towers = HEADS[name](task)
    spread = float(towers.scores(task.z, task.rows).std())
    return replace(towers, sharpness=towers.sharpness / max(spread, 1e-12))


def eszsl_left_out(task: HeadTask, others: Array) -> zero_shot.ClosedForm:
    """Return the fits without some classes for every pair of penalties.

    Args:
        task: What the head learns from.
        others: (K, a) scaled rows of all classes, the seen ones first.
    """
    left_out = zero_shot.LeftOut.of(task.decomposition, task.labels, task.rows)
    gamma, lam = chosen_penalties(left_out, task)
    place = left_out.gammas.index(gamma) * len(left_out.lams) + left_out.lams.index(lam)
    stronger = replace(left_out, gammas=tuple(g * task.strength for g in left_out.gammas))
    return zero_shot.ClosedForm(
        lambda group: stronger.scores(group, others),
        place,
        lambda pairs, drawn: stronger.exchanged(pairs, drawn, others),
    )


def chosen_penalties(left_out: zero_shot.LeftOut, task: HeadTask) -> tuple[float, float]:
    """Return the penalties with the best held-out accuracy; of equals the middle ones."""
    middle = len(left_out.gammas) * len(left_out.lams) // 2
    groups = task.class_groups(PARTITIONS)
    if not groups:
        return left_out.penalties_at(middle)
    found = left_out.accuracies(groups)
    best = np.flatnonzero(found >= found.max() - 1e-12)
    return left_out.penalties_at(int(best[np.argmin(np.abs(best - middle))]))
