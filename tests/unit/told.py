"""Predictors and a strategy whose answers are known beforehand: no network, no training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.models.predictors.base import (
    FeatureReader,
    Predictor,
    PredictorState,
    TensorReader,
)
from autotransfer.models.source import Source
from autotransfer.plugin.need import Need
from autotransfer.plugin.registry import Registry
from autotransfer.plugin.space import SearchSpace
from autotransfer.plugin.strategy import Strategy, Task, TaskInfo, Trial
from autotransfer.results import Json


@dataclass(frozen=True)
class Told(Predictor):
    """Says what it was told of each image.

    Args:
        said: (K,) probabilities by the content hash of an image.
    """

    said: Mapping[str, Sequence[float]]

    @override
    def predict(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        return np.array([self.said[digest] for digest in images.digests], dtype=np.float64)

    @override
    def traced(self, features: TensorReader) -> Tensor:
        return torch.tensor(list(self.said.values()), dtype=torch.float64)

    @override
    def state(self) -> PredictorState:
        raise NotImplementedError


def told(images: ImageSet, rows: NDArray[np.float64]) -> Told:
    """Return the predictor that says these (n, K) rows of n images."""
    return Told(dict(zip(images.digests, rows.tolist(), strict=True)))


@dataclass
class Teller(Strategy):
    """Returns the predictor that a function makes of a task, and notes what it was given."""

    answer: Callable[[Task, Trial], Predictor]
    tasks: list[Task] = field(default_factory=list)

    name = "teller"

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return SearchSpace({})

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        self.tasks.append(task)
        return self.answer(task, trial)

    @override
    def restore(
        self, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
    ) -> Predictor:
        raise NotImplementedError


class Obvious(Teller):
    """A strategy that is what anybody would try first."""

    name = "obvious"
    needs = frozenset({Need.TARGET_LABELS, Need.COMPANIONS})
    trains = False
    obvious = True
    priority = 10


@dataclass(frozen=True)
class Installed:
    """A registry of a few strategies."""

    strategies: Mapping[str, Strategy]

    def strategy(self, name: str) -> Strategy:
        """Return a strategy."""
        return self.strategies[name]


def registry_of(*strategies: Strategy) -> Registry:
    """Return a registry in which only these strategies are installed."""
    installed = Installed({strategy.name: strategy for strategy in strategies})
    return cast("Any", installed)  # type: ignore[no-any-return]
