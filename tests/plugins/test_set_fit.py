from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autotransfer.data.modality import Modality
from autotransfer.models.heads import fit_logistic
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.predictors.neural import NetworkPredictor
from autotransfer.models.texts.folders import source_of_folder
from autotransfer.plugin.strategy import Task, Trial
from autotransfer_set_fit import SetFit, contrast, partners
from tests.tiny_texts import task_on, write_encoder


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return task_on(source_of_folder(write_encoder(tmp_path / "encoder")))


def _fit(task: Task, shown: list[float] | None = None, **params: Any) -> NetworkPredictor:
    space = SetFit().space(task.info)
    point = {**space.defaults(), **params}
    assert space.contains(point)

    def report(progress: float, _predictor: Predictor, /) -> None:
        if shown is not None:
            shown.append(progress)

    found = SetFit().fit(task, Trial(point, report, None, 0))
    assert isinstance(found, NetworkPredictor)
    return found


def _distances(task: Task, found: NetworkPredictor) -> tuple[float, float]:
    """Return the mean cosine of texts of one class, and of two."""
    rows = found.embed(task.train, task.features)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines, labels = unit @ unit.T, task.train.labels
    same = labels[:, None] == labels[None, :]
    other = ~np.eye(len(labels), dtype=bool)
    return float(cosines[same & other].mean()), float(cosines[~same].mean())


def test_the_contrast_is_that_of_pairs_counted_by_hand() -> None:
    rows = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    classes = torch.tensor([0, 0, 1, 1])
    # within: cosine 1 and 1 / sqrt(2); between: 0, 1 / sqrt(2), 0, 1 / sqrt(2)
    within = (0 + (1 - 0.5**0.5) ** 2) / 2
    assert float(contrast(rows, classes)) == pytest.approx((within + 0.25) / 2, abs=1e-6)
    assert float(contrast(rows, torch.zeros(4))) > 0  # one class alone: no pairs between


def test_a_partner_is_another_text_of_the_class_or_the_text_itself() -> None:
    labels = np.array([0, 0, 0, 1])
    positions, rng = np.arange(4), np.random.default_rng(0)
    drawn = np.stack([partners(labels, positions, rng) for _ in range(50)])
    assert set(drawn[:, 0]) == {1, 2}
    assert set(drawn[:, 3]) == {3}


def test_texts_of_a_class_come_together_and_others_go_apart(task: Task) -> None:
    start = _fit(task, depth=0.0, learning_rate_multiplier=0.1, epochs=1)
    tuned = _fit(task, depth=0.0, learning_rate_multiplier=10.0, epochs=20)
    within, between = _distances(task, tuned)
    assert within - between > 0.2 + np.subtract(*_distances(task, start))
    assert (tuned.predict(task.train, task.features).argmax(1) == task.train.labels).all()


def test_the_head_is_the_logistic_regression_on_the_tuned_features(task: Task) -> None:
    shown: list[float] = []
    found = _fit(task, shown, epochs=4, learning_rate_multiplier=10.0)
    rows = found.embed(task.train, task.features)
    head = fit_logistic(rows, task.train.labels, 3)
    said = found.predict(task.train, task.features)
    assert np.allclose(said, head.probabilities(rows), atol=1e-4)
    assert len(shown) == 2  # at both rungs; the core scores the end itself


def test_the_layers_below_the_cut_are_the_source_s(task: Task) -> None:
    found = _fit(task, depth=0.5)
    assert found.frozen == 2
    assert (found.layers.copied, found.layers.tuned) == (4, 2)
    layers = {name.split(".")[5] for name in found.tensors if ".layer." in name}
    assert layers == {"1", "2"}  # counted from 0


def test_it_is_for_texts() -> None:
    assert SetFit().reads(Modality.TEXT)
    assert not SetFit().reads(Modality.IMAGE)
