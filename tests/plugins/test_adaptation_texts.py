"""Adaptation of encoders of texts: where training begins, and batches of several lengths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autotransfer.models.heads import fit_logistic
from autotransfer.models.texts.folders import source_of_folder
from autotransfer.models.texts.hashed_words import small_text_source
from autotransfer.plugin import networks
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.results import ScenarioKind
from autotransfer_adaptation.dann import Dann
from autotransfer_adaptation.source_only import SourceOnly
from autotransfer_adaptation.two_domains import PRETRAINED, SCRATCH, planned
from tests.tiny_texts import task_on, text_set, write_encoder


@pytest.fixture
def task(tmp_path: Path) -> Task:
    source = source_of_folder(write_encoder(tmp_path / "encoder"))
    unlabelled = text_set(8, 1).without_labels()
    return replace(task_on(source), scenario=ScenarioKind.UNLABELLED, unlabelled=unlabelled)


def test_an_encoder_begins_as_its_logistic_probe_and_learns_slower_than_a_new_network(
    task: Task,
) -> None:
    params = SourceOnly().space(task.info).defaults()
    headed, plan = planned(networks.HeadedSuffix, task, params, 18, 0)
    probe = fit_logistic(task.features(task.train), task.train.labels, 3)
    np.testing.assert_allclose(headed.head.weight.detach().numpy(), probe.weight, atol=1e-6)
    assert plan.learning_rate == PRETRAINED[task.source.modality][2] == 1e-4
    fresh = task_on(small_text_source())
    assert planned(networks.HeadedSuffix, fresh, params, 18, 0)[1].learning_rate == SCRATCH[2]


@pytest.mark.parametrize("batches", ["separate", "together"])
def test_texts_of_both_domains_are_normalised_apart_or_together_whatever_their_lengths(
    task: Task, batches: str
) -> None:
    strategy = Dann()
    params = {**strategy.space(task.info).defaults(), "effort": 0.25, "batches": batches}
    found = strategy.fit(task, Trial(params, lambda _p, _q: None, None, 0))
    said = found.predict(task.train, task.features)
    assert (said.argmax(axis=1) == task.train.labels).mean() > 0.6
