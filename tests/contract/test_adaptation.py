from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from _pytest.mark.structures import ParameterSet
from typing_extensions import override

from autotransfer.problem import Setting
from autotransfer.space import SearchSpace, fixed
from autotransfer.strategy import Predictor, Strategy, Task, Trial
from autotransfer.testing import StrategyContract, shapes, tiny_task
from autotransfer_adaptation import autotransfer_strategies

STRATEGIES = [s for s in autotransfer_strategies() if Setting.UNLABELLED in s.settings]
TRIED_ALWAYS = ("dann", "shot", "feature-transport")


def _task(cache: Path, num_classes: int = 3, per_class: int = 6) -> Task:
    task = tiny_task(cache, num_classes=num_classes, per_class=per_class)
    unlabelled = shapes(num_classes, per_class, seed=1).without_labels()
    through = (shapes(num_classes, per_class, seed=2).without_labels(),)
    return replace(task, setting=Setting.UNLABELLED, unlabelled=unlabelled, through=through)


def _short(space: SearchSpace) -> SearchSpace:
    """Return the space with so few steps that the whole contract takes seconds."""
    return space.with_parameter("effort", fixed(0.08)) if "effort" in space.parameters else space


def _param(strategy: Strategy) -> ParameterSet:
    """Return the strategy; those that share all code but the loss with another are slow."""
    marks = () if strategy.name in TRIED_ALWAYS else (pytest.mark.slow,)
    return pytest.param(strategy, id=strategy.name, marks=marks)


@pytest.mark.parametrize("strategy", [_param(strategy) for strategy in STRATEGIES])
class TestAdaptation(StrategyContract):
    @override
    @pytest.fixture
    def task(self, tmp_path: Path) -> Task:
        return _task(tmp_path / "contract-cache")

    @override
    def _fit(self, strategy: Strategy, task: Task, *, seed: int = 0) -> Predictor:
        params = _short(strategy.space(task.info)).defaults()
        return strategy.fit(task, Trial(params, lambda _progress, _predictor: None, None, seed))

    @override
    def test_two_classes_with_two_pictures_each_work(
        self, strategy: Strategy, tmp_path: Path
    ) -> None:
        task = _task(tmp_path / "two", 2, 2)
        assert self._fit(strategy, task).predict(task.train, task.features).shape == (4, 2)

    @override
    def test_one_picture_a_class_works_or_is_refused_in_words(
        self, strategy: Strategy, tmp_path: Path
    ) -> None:
        task = _task(tmp_path / "one", 2, 1)
        found = self._fit(strategy, task).predict(task.train, task.features)
        assert found.shape == (2, 2)
        assert np.isfinite(found).all()

    def test_it_embeds_every_picture(self, strategy: Strategy, task: Task) -> None:
        rows = self._fit(strategy, task).embed(task.train, task.features)
        assert len(rows) == len(task.train)
        assert np.isfinite(rows).all()
