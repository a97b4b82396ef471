"""Attribute zero-shot: classes without images, told apart by what is said about them.

Features come from the cache, so a trial is linear algebra. Which stage is read is the shared
knob `depth`; `regularisation` multiplies the penalty that held-out classes chose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from autotransfer.plugin import (
    Predictor,
    SearchSpace,
    Strategy,
    Task,
    TaskInfo,
    Trial,
    errors,
    hookimpl,
    linear_algebra,
    parameters,
    zero_shot,
)
from autotransfer_attribute_zero_shot.described import CorrectedDescription, NearestDescription
from autotransfer_attribute_zero_shot.head_task import TO_FEATURES, HeadTask
from autotransfer_attribute_zero_shot.heads import HEADS, eszsl_left_out, fit_head
from autotransfer_attribute_zero_shot.mean import MeanOfEszsl
from autotransfer_attribute_zero_shot.predictor import TowersPredictor, TowersStrategy
from autotransfer_attribute_zero_shot.sae import DIRECTIONS
from autotransfer_attribute_zero_shot.scaling import (
    FEATURE_SCALINGS,
    ROW_SCALINGS,
    Array,
    Scaling,
    feature_scaling,
    row_scaling,
    share_scaling,
)


@dataclass(frozen=True)
class Prepared:
    """A task as the heads see it.

    Args:
        table: Rows of the classes, the seen ones first.
        stage: The stage that is read.
        features: What is done to features.
        rows: What is done to rows.
        head_task: What a head learns from.
    """

    table: zero_shot.Attributes
    stage: int
    features: Scaling
    rows: Scaling
    head_task: HeadTask

    @classmethod
    def of(cls, task: Task, trial: Trial) -> Prepared:
        """Return the features of one stage and the rows, brought to scale."""
        table, params = task.attributes, trial.params
        if table is None:
            raise errors.InvalidTargetError("attribute-zero-shot needs attributes of the classes")
        stage = max(1, round(float(params["depth"]) * task.features.num_stages))
        x = task.features(task.train, stage)
        features = feature_scaling(x, str(params["normalisation"]))
        seen = table.values[: table.num_seen]
        if params["head"] == "dap":
            rows = share_scaling(seen)
        else:
            rows = row_scaling(table.values, str(params["rows"]))
        head_task = HeadTask(
            features.apply(x),
            task.train.labels,
            rows.apply(seen),
            float(params["regularisation"]),
            trial.seed,
            trial.deadline,
            str(params["direction"]),
        )
        return cls(table, stage, features, rows, head_task)


class AttributeZeroShot(TowersStrategy):
    """ESZSL, SAE, DAP or an embedding of features and attributes."""

    name = "attribute-zero-shot"

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of(
            depth=parameters.depth(default=1.0),
            regularisation=parameters.regularisation(),
            head=parameters.choice(tuple(HEADS), default="eszsl"),
            normalisation=parameters.choice(FEATURE_SCALINGS, default="standardise"),
            direction=parameters.choice(DIRECTIONS, default=TO_FEATURES).only_where(head=("sae",)),
            rows=parameters.choice(ROW_SCALINGS, default="standardised"),
        )

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        prepared = Prepared.of(task, trial)
        towers = fit_head(str(trial.params["head"]), prepared.head_task)
        explained = _ridge(
            prepared.head_task.decomposition, prepared.table.values[task.train.labels]
        )
        return TowersPredictor(
            towers,
            prepared.features,
            prepared.rows,
            explained,
            prepared.table.values,
            prepared.stage,
        )

    def left_out(self, task: Task, trial: Trial) -> zero_shot.ClosedForm | None:
        """Return fits without some classes from the closed form of ESZSL; None for others."""
        if trial.params["head"] != "eszsl":
            return None
        prepared = Prepared.of(task, trial)
        return eszsl_left_out(prepared.head_task, prepared.rows.apply(prepared.table.values))


def _ridge(found: linear_algebra.Decomposition, values: Array) -> Array:
    """Return the (d + 1, a) map from features, and a one, to attributes; for explanations."""
    mean = values.mean(axis=0)
    moments = found.coordinates.T @ (values - mean)
    weight = found.basis @ (moments / (found.values + found.unit)[:, None])
    return np.vstack([weight, mean])


@hookimpl
def autotransfer_strategies() -> list[Strategy]:
    """Offer the strategies of the search, and the obvious ones."""
    return [AttributeZeroShot(), CorrectedDescription(), MeanOfEszsl(), NearestDescription()]
