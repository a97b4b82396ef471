from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autotransfer.plugin.strategy import Task
from autotransfer.plugin.testing import Workbench
from autotransfer.plugin.zero_shot import AttributePredictor
from autotransfer_attribute_zero_shot import AttributeZeroShot


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(AttributeZeroShot(), tmp_path)


@pytest.fixture
def task(bench: Workbench) -> Task:
    return bench.task(6, 5)


@pytest.fixture
def predictor(bench: Workbench, task: Task) -> AttributePredictor:
    found = bench.fit(task)
    assert isinstance(found, AttributePredictor)
    return found


def test_classes_without_pictures_have_a_column(predictor: AttributePredictor, task: Task) -> None:
    found = predictor.predict(task.train, task.features)
    assert found.shape == (30, 8)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_attributes_are_read_from_pictures_in_the_units_of_the_table(
    predictor: AttributePredictor, task: Task
) -> None:
    assert task.attributes is not None
    found = predictor.attributes(task.train, task.features)
    assert found.shape == (30, 2)
    truth = task.attributes.values[task.train.labels]
    assert np.abs(found - truth).mean() < np.abs(truth - truth.mean(axis=0)).mean()


def test_a_score_depends_on_its_own_row_alone(predictor: AttributePredictor, task: Task) -> None:
    rows = predictor.rows
    together = predictor.scores(task.train, task.features, rows)
    alone = predictor.scores(task.train, task.features, rows[[3]])
    np.testing.assert_allclose(alone[:, 0], together[:, 3])
    parts = predictor.contributions(task.train, task.features, rows)
    np.testing.assert_allclose(parts.sum(axis=2), together, atol=1e-8)
