from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
import torch

from autotransfer.models.predictors.base import Predictor
from autotransfer.models.predictors.neural import HeadPredictor, restore_head, side_by_side
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.plugin.testing import shapes, tiny_task
from autotransfer_feature_extraction import HEADS, NUM_STAGES, FeatureExtraction


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return tiny_task(tmp_path_factory.mktemp("cache"))


def _ignore(_progress: float, _predictor: Predictor, /) -> None:
    """Take a report and do nothing."""


def _fit(task: Task, **params: Any) -> HeadPredictor:
    strategy = FeatureExtraction()
    point = {**strategy.space(task.info).defaults(), **params}
    assert strategy.space(task.info).contains(point)
    found = strategy.fit(task, Trial(point, _ignore, None, 0))
    assert isinstance(found, HeadPredictor)
    return found


@pytest.mark.parametrize(
    ("head", "normalisation", "stages"),
    list(itertools.product(HEADS, ("none", "standardise", "cl2n"), NUM_STAGES)),
)
def test_every_choice_predicts_and_is_restored(
    task: Task, head: str, normalisation: str, stages: str
) -> None:
    found = _fit(task, head=head, normalisation=normalisation, stages=stages)
    unseen = shapes(3, 4, seed=4)
    expected = found.predict(unseen, task.features)
    assert (
        found.predict(task.train, task.features).argmax(axis=1) == task.train.labels
    ).mean() > 0.5
    np.testing.assert_allclose(expected.sum(axis=1), 1.0)
    tensors, info = found.state()
    assert all(tensor.is_contiguous() for tensor in tensors.values())  # safetensors insists
    copied = {name: torch.tensor(value.numpy()) for name, value in tensors.items()}
    restored = restore_head(copied, json.loads(json.dumps(info)))
    np.testing.assert_allclose(restored.predict(unseen, task.features), expected)


def test_the_depth_and_the_choice_say_which_stages_are_read(task: Task) -> None:
    assert _fit(task, depth=0.6).stages == (3,)
    assert _fit(task, depth=0.6, stages="last two").stages == (2, 3)
    assert _fit(task, depth=0.6, stages="all").stages == (1, 2, 3)
    assert _fit(task, depth=0.0, stages="last two").stages == (1,)
    assert _fit(task, depth=0.6, stages="all").layers.stage == 3


def test_unit_rows_do_not_see_the_length_of_features(task: Task) -> None:
    found = _fit(task, normalisation="cl2n")
    (centre,) = found.centres
    features = task.features(task.train)
    far = centre + 7.0 * (features - centre)

    assert np.abs(far - features).max() > 1e-3
    np.testing.assert_allclose(
        side_by_side([far], found.centres), side_by_side([features], found.centres), atol=1e-6
    )


def test_a_predictor_of_an_earlier_version_is_restored() -> None:
    tensors = {"weight": torch.ones(2, 3, dtype=torch.float64), "bias": torch.zeros(2)}
    assert restore_head(tensors, {"stage": 4}).stages == (4,)
