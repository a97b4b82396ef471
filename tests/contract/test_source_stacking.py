from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typing_extensions import override

from autotransfer.strategy import Strategy, Task
from autotransfer.testing import StrategyContract, tiny_source, tiny_task
from autotransfer_source_stacking import SourceStacking


def _with_companion(task: Task) -> Task:
    return replace(task, companions=(tiny_source("other", seed=1),))


class TestSourceStacking(StrategyContract):
    @override
    @pytest.fixture
    def strategy(self) -> Strategy:
        return SourceStacking()

    @override
    @pytest.fixture
    def task(self, tmp_path: Path) -> Task:
        return _with_companion(tiny_task(tmp_path / "contract-cache"))

    @override
    def test_two_classes_with_two_pictures_each_work(
        self, strategy: Strategy, tmp_path: Path
    ) -> None:
        task = _with_companion(tiny_task(tmp_path / "two", num_classes=2, per_class=2))
        found = self._fit(strategy, task).predict(task.train, task.features)
        assert found.shape == (4, 2)

    def test_one_picture_a_class_counts_every_source_the_same(
        self, strategy: Strategy, tmp_path: Path
    ) -> None:
        task = _with_companion(tiny_task(tmp_path / "one", num_classes=2, per_class=1))
        found = self._fit(strategy, task)
        assert found.state()[1]["weights"] == [0.5, 0.5]
        assert found.predict(task.train, task.features).shape == (2, 2)
