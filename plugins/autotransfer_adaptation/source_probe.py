"""Source probe: a head on frozen features, fitted on source images alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from autotransfer.plugin import (
    Json,
    Need,
    Predictor,
    ScenarioKind,
    SearchSpace,
    Source,
    Strategy,
    Task,
    TaskInfo,
    Trial,
    heads,
    parameters,
)


class SourceProbe(Strategy):
    """Logistic regression on the pooled features of one frozen stage; the target is unseen."""

    name = "source-probe"
    scenarios = frozenset({ScenarioKind.UNLABELLED})
    trains = False

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of(
            depth=parameters.depth(default=1.0), regularisation=parameters.regularisation()
        )

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        stage = stage_of(task, trial)
        features = self.aligned(task, trial, stage)
        head = heads.fit_logistic(
            features,
            task.train.labels,
            len(task.class_names),
            regularisation=float(trial.params["regularisation"]),
        )
        return heads.HeadPredictor(head, stage)

    def aligned(self, task: Task, trial: Trial, stage: int) -> NDArray[np.floating]:  # noqa: ARG002 - for methods that move features
        """Return the (n, d) source features that the head is fitted on."""
        return task.features(task.train, stage)

    @override
    def restore(
        self, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
    ) -> Predictor:
        return heads.restore_head(tensors, info)


class AlignedProbe(SourceProbe):
    """The same head on source features that were moved to where the target's are."""

    needs = frozenset({Need.UNLABELLED_TARGET})
    shifts_source_features = True


def stage_of(task: Task, trial: Trial) -> int:
    """Return the stage that is read."""
    return max(1, round(float(trial.params["depth"]) * task.features.num_stages))
