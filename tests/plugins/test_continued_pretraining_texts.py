"""Continued training of encoders of texts: masked tokens are filled in, then a probe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from autotransfer.data.images.views import View
from autotransfer.models.heads import fit_logistic
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.source import Source
from autotransfer.models.texts.backbone import TextBackbone
from autotransfer.models.texts.folders import source_of_folder
from autotransfer.plugin.strategy import Task, TaskInfo, Trial
from autotransfer.results import ScenarioKind
from autotransfer_continued_pretraining import ContinuedPretraining
from autotransfer_continued_pretraining.masked import FilledIn, MaskedTexts
from tests.tiny_texts import WORDS, task_on, text_set, write_encoder, write_table

MASK = len(WORDS)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return source_of_folder(write_encoder(tmp_path / "encoder", masks=True))


@pytest.fixture
def task(source: Source) -> Task:
    return replace(task_on(source), unlabelled=text_set(8, 1).without_labels())


def _fit(task: Task, effort: float, depth: float = 0.6) -> Predictor:
    strategy = ContinuedPretraining()
    params = {**strategy.space(task.info).defaults(), "effort": effort, "depth": depth}
    return strategy.fit(task, Trial(params, lambda _p, _q: None, None, 0))


def test_some_inner_tokens_are_masked_and_all_others_stay(task: Task) -> None:
    plain = task.features.inputs(task.train, 0).batch(np.arange(18))
    lengths, shares = plain[:, 1].sum(1), []
    for number in range(20):
        masked = task.features.inputs(task.train, 0, view=View("mask", number)).batch(
            np.arange(18)
        )
        assert torch.equal(masked[:, 1], plain[:, 1])
        taken = masked[:, 0] != plain[:, 0]
        assert (masked[:, 0][taken] == MASK).all()
        assert taken.sum(1).min() >= 1  # of every text there is something to fill in
        assert not taken[:, 0].any()  # the marks of beginning and end stay
        assert not taken[torch.arange(18), lengths - 1].any()
        shares.append(float(taken.sum() / (lengths - 2).sum()))
    # 15 % of five to eight inner tokens, and one where there would be none
    assert 0.15 < np.mean(shares) < 0.3
    again = [
        task.features.inputs(task.train, 0, view=View("mask", number)).batch(np.arange(18))
        for number in (3, 3, 4)
    ]
    assert torch.equal(again[0], again[1])
    assert not torch.equal(again[0], again[2])


def test_the_loss_is_the_cross_entropy_of_the_masked_tokens_alone() -> None:
    class Given(torch.nn.Module):
        def states(self, z: torch.Tensor) -> torch.Tensor:
            return z

    filled = FilledIn(Given(), torch.eye(3) * 2, 3)
    z = torch.tensor([[[1.0, 0.0, 0.0], [9.0, 9.0, -9.0]]])
    plain, masked = torch.tensor([[0, 2]]), torch.tensor([[5, 2]])
    normed = torch.nn.functional.layer_norm(z[0, 0], (3,))  # the rest begins as the identity
    wanted = torch.nn.functional.cross_entropy(2 * normed[None], torch.tensor([0]))
    assert filled(z, plain, masked).item() == pytest.approx(wanted.item(), abs=1e-6)


def test_without_a_step_it_is_the_plain_probe(task: Task) -> None:
    features = task.features(task.train)
    head = fit_logistic(features, task.train.labels, 3)
    found = _fit(task, 0.0).predict(task.train, task.features)
    np.testing.assert_allclose(found, head.probabilities(features), atol=2e-3)


@pytest.mark.parametrize("depth", [0.0, 0.6])
def test_the_features_move_when_it_trains(task: Task, depth: float) -> None:
    before = _fit(task, 0.0, depth).embed(task.train, task.features)
    after = _fit(task, 0.1, depth).embed(task.train, task.features)
    assert np.abs(after - before).max() > 1e-4


def test_learning_tells_masked_tokens_better(task: Task) -> None:
    assert task.unlabelled is not None
    backbone = task.backbone()
    assert isinstance(backbone, TextBackbone)
    filled = FilledIn(backbone.suffix(0), backbone.token_rows, 16)
    drawn = MaskedTexts(task, task.unlabelled, 0).drawn(np.arange(24), 1)
    filled.requires_grad_()
    optimiser = torch.optim.AdamW(filled.parameters(), 1e-2)
    losses = []
    for _ in range(15):
        loss = filled(*drawn)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.2
    assert not filled.rows.requires_grad


def test_what_cannot_fill_in_says_why(tmp_path: Path, source: Source) -> None:
    maskless = source_of_folder(write_encoder(tmp_path / "maskless"))
    table = source_of_folder(write_table(tmp_path / "table"))

    def told(source: Source) -> str:
        return ContinuedPretraining().unfit(TaskInfo(source, ScenarioKind.LABELLED, 10, 2))

    assert told(source) == ""
    assert told(maskless) == "its tokenizer has no token for masked ones ([MASK] or <mask>)"
    assert told(table) == "it has no layers that could fill in masked tokens"
