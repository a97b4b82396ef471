"""The plugin API: all that a strategy, an estimator or a source needs, and where to find it.

Records and classes are here themselves; what comes in groups is in a module of its own::

    from autotransfer.plugin import SearchSpace, Strategy, heads, hookimpl, parameters

    SearchSpace.of(depth=parameters.depth())
    heads.fit_ridge(x, labels, num_classes)

Nothing else of the package is promised to a plugin. The names are imported when they are first
used, so that importing the package costs nothing; the tests of a plugin find what they need in
`autotransfer.plugin.testing`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autotransfer.data.image_set import ImageSet
    from autotransfer.data.images.views import View
    from autotransfer.models.backbone import Backbone
    from autotransfer.models.predictors.base import (
        FeatureReader,
        Predictor,
        PredictorState,
        TensorReader,
    )
    from autotransfer.models.source import Source
    from autotransfer.models.statistics.feature_statistics import Statistics
    from autotransfer.plugin.estimator import TransferabilityEstimator
    from autotransfer.plugin.hookspecs import hookimpl
    from autotransfer.plugin.need import Need
    from autotransfer.plugin.space import SearchSpace
    from autotransfer.plugin.strategy import Strategy, Task, TaskInfo, Trial
    from autotransfer.results import Json, Layers, ParamValue, ScenarioKind, Share

_HOMES = {
    "hookimpl": "autotransfer.plugin.hookspecs",
    "Strategy": "autotransfer.plugin.strategy",
    "Task": "autotransfer.plugin.strategy",
    "TaskInfo": "autotransfer.plugin.strategy",
    "Trial": "autotransfer.plugin.strategy",
    "Need": "autotransfer.plugin.need",
    "ScenarioKind": "autotransfer.results",
    "SearchSpace": "autotransfer.plugin.space",
    "ParamValue": "autotransfer.results",
    "Predictor": "autotransfer.models.predictors.base",
    "PredictorState": "autotransfer.models.predictors.base",
    "FeatureReader": "autotransfer.models.predictors.base",
    "TensorReader": "autotransfer.models.predictors.base",
    "Layers": "autotransfer.results",
    "Share": "autotransfer.results",
    "Json": "autotransfer.results",
    "ImageSet": "autotransfer.data.image_set",
    "View": "autotransfer.data.images.views",
    "Source": "autotransfer.models.source",
    "Backbone": "autotransfer.models.backbone",
    "TransferabilityEstimator": "autotransfer.plugin.estimator",
    "Statistics": "autotransfer.models.statistics.feature_statistics",
}

__all__ = [
    "hookimpl",
    "Strategy",
    "Task",
    "TaskInfo",
    "Trial",
    "Need",
    "ScenarioKind",
    "SearchSpace",
    "ParamValue",
    "Predictor",
    "PredictorState",
    "FeatureReader",
    "TensorReader",
    "Layers",
    "Share",
    "Json",
    "ImageSet",
    "View",
    "Source",
    "Backbone",
    "TransferabilityEstimator",
    "Statistics",
    "parameters",
    "heads",
    "networks",
    "training",
    "zero_shot",
    "linear_algebra",
    "sources",
    "errors",
]


if not TYPE_CHECKING:  # a type checker reads the imports above, and refuses any other name

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            return getattr(importlib.import_module(_HOMES[name]), name)
        if name in __all__:
            return importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
