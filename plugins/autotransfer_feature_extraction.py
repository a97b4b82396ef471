"""Feature extraction: a linear head on one stage of the frozen source.

The features come from the cache, so a trial costs milliseconds. Which stage is read is the
shared knob `depth`: the fraction of the source's stages that are used frozen.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from typing_extensions import override

from autotransfer import hookimpl
from autotransfer.heads import fit_logistic, fit_ridge
from autotransfer.predictors import HeadPredictor, restore_head
from autotransfer.problem import Json, Need, Source
from autotransfer.space import SearchSpace, choice, depth, regularisation
from autotransfer.strategy import Predictor, Strategy, Task, TaskInfo, Trial

_HEADS = {"ridge": fit_ridge, "logistic": fit_logistic}


class FeatureExtraction(Strategy):
    """A ridge or logistic head on the pooled features of one stage."""

    name = "feature-extraction"
    needs = frozenset({Need.TARGET_LABELS})
    trains = False

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace.of(
            depth=depth(default=1.0),
            regularisation=regularisation(),
            head=choice(("ridge", "logistic"), default="ridge"),
            normalisation=choice(("none", "standardise"), default="standardise"),
        )

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        params = trial.params
        stage = max(1, round(float(params["depth"]) * task.features.num_stages))
        head = _HEADS[str(params["head"])](
            task.features(task.train, stage),
            task.train.labels,
            len(task.class_names),
            regularisation=float(params["regularisation"]),
            standardise=params["normalisation"] == "standardise",
        )
        return HeadPredictor(head, stage)

    @override
    def restore(
        self, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
    ) -> Predictor:
        return restore_head(tensors, info)


@hookimpl
def autotransfer_strategies() -> list[Strategy]:
    """Offer the strategy."""
    return [FeatureExtraction()]
