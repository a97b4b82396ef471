from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from autotransfer.errors import InvalidOptionError
from autotransfer.models.heads import fit_ridge
from autotransfer.models.predictors.base import Predictor
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.plugin.testing import shapes, tiny_task
from autotransfer_continued_pretraining import ContinuedPretraining, vicreg


@pytest.fixture
def task(tmp_path: Path) -> Task:
    pictures = shapes(3, 6, seed=1).without_labels()
    return replace(tiny_task(tmp_path / "cache"), unlabelled=pictures)


def _fit(task: Task, effort: float) -> Predictor:
    strategy = ContinuedPretraining()
    params = {**strategy.space(task.info).defaults(), "effort": effort}
    return strategy.fit(task, Trial(params, lambda _p, _q: None, None, 0))


def test_equal_views_that_spread_and_do_not_repeat_themselves_have_no_loss() -> None:
    z = 2.0 * torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert vicreg(z, z).item() == pytest.approx(0.0, abs=1e-6)


def test_collapsed_features_pay_for_their_missing_spread() -> None:
    z = torch.zeros(4, 2)
    assert vicreg(z, z).item() == pytest.approx(25 * (1 - 0.01), abs=1e-4)  # sqrt(1e-4) = .01


def test_two_columns_that_say_the_same_pay_for_it() -> None:
    z = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])  # variance and covariance 2
    assert vicreg(z, z).item() == pytest.approx(2 * (2 * 2**2) / 2, abs=1e-4)


def test_views_that_differ_pay_for_the_mean_square() -> None:
    z = 2.0 * torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert vicreg(z, z + 1.0).item() == pytest.approx(25.0, abs=1e-4)


def test_without_a_step_it_is_the_plain_probe(task: Task) -> None:
    features = task.features(task.train)
    head = fit_ridge(features, task.train.labels, 3)
    found = _fit(task, 0.0).predict(task.train, task.features)
    np.testing.assert_allclose(found, head.probabilities(features), atol=2e-3)


def test_the_features_move_when_it_trains(task: Task) -> None:
    before, after = (_fit(task, effort).embed(task.train, task.features) for effort in (0, 0.05))
    assert np.abs(after - before).max() > 1e-3


def test_without_unlabelled_pictures_it_says_how_to_give_them(task: Task) -> None:
    with pytest.raises(InvalidOptionError, match="--unlabelled"):
        _fit(replace(task, unlabelled=None), 0.05)
