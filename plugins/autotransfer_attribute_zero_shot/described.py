"""Classes described by sentences, items and sentences read by the same source of texts.

Then nothing has to be learnt: the class whose description an item is most like is the answer. What
classes with items teach is how a description differs from the texts of its class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from autotransfer.plugin import (
    Need,
    SearchSpace,
    Task,
    TaskInfo,
    Trial,
    errors,
    heads,
    linear_algebra,
    parameters,
    sources,
    zero_shot,
)
from autotransfer_attribute_zero_shot.predictor import Towers, TowersPredictor, TowersStrategy
from autotransfer_attribute_zero_shot.scaling import Array, Scaling

PENALTY = 0.3  # of the correction at regularisation 1, in mean eigenvalues of the descriptions


class NearestDescription(TowersStrategy):
    """The class whose description has the largest cosine with the item; nothing is learnt.

    It is what others have to beat wherever descriptions and items are read by one source.

    References:
        Chang, Ratinov, Roth & Srikumar, Importance of Semantic Representation: Dataless
        Classification, AAAI 2008.
    """

    name = "nearest-description"
    priority = 10
    needs = frozenset({Need.ATTRIBUTES, Need.DESCRIPTIONS})
    modalities = frozenset({sources.Modality.TEXT})  # as descriptions are
    obvious = True

    @override
    def unfit(self, task: TaskInfo) -> str:
        if not task.describer_key or task.source.fingerprint == task.describer_key:
            return ""
        return "another source has read the descriptions; no two of them put texts at one place"

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of()

    def correction(self, x: Array, labels: NDArray[np.int64], rows: Array, trial: Trial) -> Array:  # noqa: ARG002 - for those that learn
        """Return the (d, d) map that is added to the identity for descriptions.

        Args:
            x: (n, d) features of length one.
            labels: (n,) classes in [0, K).
            rows: (K, d) descriptions of length one.
            trial: As for `fit`.
        """
        return np.zeros((x.shape[1], x.shape[1]))

    def left_out(self, task: Task, trial: Trial) -> zero_shot.ClosedForm | None:
        """Return its scores: no fit depends on which classes have items, or on their rows."""
        assert task.attributes is not None
        predictor, labels = self.fit(task, trial), task.train.labels
        found = predictor.scores(task.train, task.features, task.attributes.values)
        return zero_shot.ClosedForm(
            lambda group: found[np.isin(labels, group)][None],
            0,
            lambda pairs, drawn: told_apart(found, labels, pairs, drawn)[:, None],
        )

    @override
    def fit(self, task: Task, trial: Trial) -> TowersPredictor:
        table, stage = task.attributes, task.features.num_stages
        if table is None or task.source.fingerprint != table.describer_key:
            raise errors.InvalidOptionError(
                f"{self.name} needs descriptions that its own source has read; give them with "
                "--descriptions CSV"
            )
        x = heads.unit_rows(np.asarray(task.features(task.train, stage), np.float64))
        d, labels = x.shape[1], task.train.labels
        rows = heads.unit_rows(table.values[: table.num_seen])
        keys = np.eye(d) + self.correction(x, labels, rows, trial)
        towers = Towers(np.eye(d), np.zeros(d), keys, unit_keys=True)
        spread = float(towers.scores(x, rows).std())
        as_it_is = Scaling(np.zeros(d), np.ones(d), unit=True)
        seen = np.vstack([np.eye(d), np.zeros(d)])
        return TowersPredictor(
            replace(towers, sharpness=1 / max(spread, 1e-12)),
            as_it_is,
            as_it_is,
            seen,
            table.values,
            stage,
        )


class CorrectedDescription(NearestDescription):
    """The same after a linear map of the descriptions to the mean texts of their classes.

    The map is the identity plus what ridge regression learns from the classes with items of the
    difference between both; `regularisation` multiplies its penalty, and without bound the nearest
    description is left.
    """

    name = "corrected-description"
    obvious = False
    priority = 100

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of(regularisation=parameters.regularisation())

    @override
    def left_out(self, task: Task, trial: Trial) -> None:
        """Return nothing: each fit learns another correction."""

    @override
    def correction(self, x: Array, labels: NDArray[np.int64], rows: Array, trial: Trial) -> Array:
        means = heads.unit_rows(np.stack([x[labels == k].mean(axis=0) for k in range(len(rows))]))
        return ridge_to(rows, means - rows, PENALTY * float(trial.params["regularisation"]))


def told_apart(
    scores: Array,
    labels: NDArray[np.int64],
    pairs: Sequence[tuple[int, int]],
    drawn: NDArray[np.int64],
) -> Array:
    """Return (N,) mean per-class top-1 over pairs of classes with exchanged rows; ties are half.

    Args:
        scores: (n, K) of the items for every row.
        labels: (n,) their classes.
        pairs: Of classes with items.
        drawn: (N, K) row in the place of each.
    """
    ahead = {}
    for k in {k for pair in pairs for k in pair}:
        own = scores[labels == k]
        more, same = own[:, :, None] > own[:, None, :], own[:, :, None] == own[:, None, :]
        ahead[k] = (more + 0.5 * same).mean(axis=0)  # (K, K) share of items, first over second
    total = np.zeros(len(drawn))
    for i, j in pairs:
        first, second = drawn[:, i], drawn[:, j]
        total += (ahead[i][first, second] + ahead[j][second, first]) / 2
    return total / len(pairs)


def ridge_to(rows: Array, wanted: Array, penalty: float) -> Array:
    """Return the (d, d) matrix R with the least |rows R - wanted|^2 + penalty * e |R|^2.

    Args:
        rows: (K, d); e is the mean eigenvalue of rows rows'.
        wanted: (K, d).
        penalty: In units of e.
    """
    gram = rows @ rows.T
    e = max(float(np.trace(gram)) / len(rows), 1e-300)
    return rows.T @ linear_algebra.solved(gram + penalty * e * np.eye(len(rows)), wanted)
