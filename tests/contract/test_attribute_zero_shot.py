from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typing_extensions import override

from autotransfer.data.attributes import Attributes
from autotransfer.described.predictor import AttributePredictor
from autotransfer.problem import Setting
from autotransfer.strategy import Strategy, Task
from autotransfer.testing import StrategyContract, tiny_task
from autotransfer_attribute_zero_shot import AttributeZeroShot


def _task(cache: Path, num_classes: int = 6, per_class: int = 5) -> Task:
    """Return bars of several directions; two further directions are only described."""
    task = tiny_task(cache, num_classes=num_classes, per_class=per_class)
    angles = np.pi * np.append(np.arange(num_classes), [0.5, 1.5]) / num_classes
    values = np.column_stack([np.cos(2 * angles), np.sin(2 * angles)])
    names = (*task.class_names, "between 0 and 1", "between 1 and 2")
    table = Attributes(("cosine", "sine"), names, values, num_classes)
    return replace(task, setting=Setting.DESCRIBED, class_names=names, attributes=table)


class TestAttributeZeroShot(StrategyContract):
    @override
    @pytest.fixture
    def strategy(self) -> Strategy:
        return AttributeZeroShot()

    @override
    @pytest.fixture
    def task(self, tmp_path: Path) -> Task:
        return _task(tmp_path / "contract-cache")

    @override
    def test_probabilities_have_a_row_a_picture_that_sums_to_one(
        self, strategy: Strategy, task: Task
    ) -> None:
        found = self._fit(strategy, task).predict(task.train, task.features)
        assert found.shape == (30, 8)
        np.testing.assert_allclose(found.sum(axis=1), 1.0)

    @override
    def test_two_classes_with_two_pictures_each_work(
        self, strategy: Strategy, tmp_path: Path
    ) -> None:
        task = _task(tmp_path / "two", 2, 2)
        found = self._fit(strategy, task).predict(task.train, task.features)
        assert found.shape == (4, 4)

    @override
    def test_one_picture_a_class_works_or_is_refused_in_words(
        self, strategy: Strategy, tmp_path: Path
    ) -> None:
        task = _task(tmp_path / "one", 2, 1)
        found = self._fit(strategy, task).predict(task.train, task.features)
        assert np.isfinite(found).all()

    def test_attributes_are_read_from_pictures_in_the_units_of_the_table(
        self, strategy: Strategy, task: Task
    ) -> None:
        predictor = self._fit(strategy, task)
        assert isinstance(predictor, AttributePredictor)
        assert task.attributes is not None
        found = predictor.attributes(task.train, task.features)
        assert found.shape == (30, 2)
        truth = task.attributes.values[task.train.labels]
        assert np.abs(found - truth).mean() < np.abs(truth - truth.mean(axis=0)).mean()

    def test_a_score_depends_on_its_own_row_alone(self, strategy: Strategy, task: Task) -> None:
        predictor = self._fit(strategy, task)
        assert isinstance(predictor, AttributePredictor)
        rows = predictor.rows
        together = predictor.scores(task.train, task.features, rows)
        alone = predictor.scores(task.train, task.features, rows[[3]])
        np.testing.assert_allclose(alone[:, 0], together[:, 3])
        parts = predictor.contributions(task.train, task.features, rows)
        np.testing.assert_allclose(parts.sum(axis=2), together, atol=1e-8)
