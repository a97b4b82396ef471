from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typing_extensions import override

from autotransfer.strategy import Strategy, Task
from autotransfer.testing import StrategyContract, shapes, tiny_task
from autotransfer_multi_task import MultiTask


def _task(cache: Path, num_classes: int = 3, per_class: int = 6) -> Task:
    task = tiny_task(cache, num_classes=num_classes, per_class=per_class)
    return replace(task, source_images=shapes(4, 5, seed=1))


class TestMultiTask(StrategyContract):
    @override
    @pytest.fixture
    def strategy(self) -> Strategy:
        return MultiTask()

    @override
    @pytest.fixture
    def task(self, tmp_path: Path) -> Task:
        return _task(tmp_path / "contract-cache")

    @override
    def test_two_classes_with_two_pictures_each_work(
        self, strategy: Strategy, tmp_path: Path
    ) -> None:
        task = _task(tmp_path / "two", 2, 2)
        found = self._fit(strategy, task).predict(task.train, task.features)
        assert found.shape == (4, 2)

    @override
    def test_one_picture_a_class_works_or_is_refused_in_words(
        self, strategy: Strategy, tmp_path: Path
    ) -> None:
        task = _task(tmp_path / "one", 2, 1)
        found = self._fit(strategy, task).predict(task.train, task.features)
        assert found.shape == (2, 2)
