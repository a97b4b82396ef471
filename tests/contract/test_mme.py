from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typing_extensions import override

from autotransfer.strategy import Predictor, Strategy, Task, Trial
from autotransfer.testing import StrategyContract, shapes, tiny_task
from autotransfer_adaptation import Mme


def _task(cache: Path, num_classes: int = 3, per_class: int = 6) -> Task:
    task = tiny_task(cache, num_classes=num_classes, per_class=per_class)
    unlabelled = shapes(num_classes, 5, seed=1).without_labels()
    return replace(task, unlabelled=unlabelled, source_images=shapes(num_classes, 5, seed=2))


class TestMme(StrategyContract):
    @override
    @pytest.fixture
    def strategy(self) -> Strategy:
        return Mme()

    @override
    @pytest.fixture
    def task(self, tmp_path: Path) -> Task:
        return _task(tmp_path / "contract-cache")

    @override
    def _fit(self, strategy: Strategy, task: Task, *, seed: int = 0) -> Predictor:
        params = {**strategy.space(task.info).defaults(), "effort": 0.02, "pseudo_weight": 1.0}
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
        assert np.isfinite(found).all()
