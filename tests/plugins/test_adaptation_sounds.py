"""Adaptation of networks of sounds: where training begins, and batches of several lengths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.heads import fit_logistic
from autotransfer.models.sounds.folders import sound_source_of_folder
from autotransfer.plugin import networks
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.results import ScenarioKind
from autotransfer_adaptation.dann import Dann
from autotransfer_adaptation.source_only import SourceOnly
from autotransfer_adaptation.two_domains import PRETRAINED, planned
from tests.tiny_sounds import sound_set, write_encoder


@pytest.fixture
def task(tmp_path: Path) -> Task:
    source = sound_source_of_folder(write_encoder(tmp_path / "encoder"))
    cpu, train = torch.device("cpu"), sound_set(6)
    return Task(
        source=source,
        scenario=ScenarioKind.UNLABELLED,
        class_names=train.class_names,
        train=train,
        features=FeatureReaders(FeatureStore(), PixelStore(1), load_backbone, cpu)[source],
        device=cpu,
        load_backbone=lambda: load_backbone(source),
        unlabelled=sound_set(8, 1).without_labels(),
    )


def test_an_encoder_of_sounds_begins_as_its_logistic_probe(task: Task) -> None:
    params = SourceOnly().space(task.info).defaults()
    headed, plan = planned(networks.HeadedSuffix, task, params, 18, 0)
    probe = fit_logistic(task.features(task.train), task.train.labels, 3)
    np.testing.assert_allclose(headed.head.weight.detach().numpy(), probe.weight, atol=1e-6)
    assert plan.learning_rate == PRETRAINED[task.source.modality][2] == 1e-4


@pytest.mark.parametrize("batches", ["separate", "together"])
def test_sounds_of_both_domains_go_through_whatever_their_lengths(
    task: Task, batches: str
) -> None:
    strategy = Dann()
    params = {**strategy.space(task.info).defaults(), "effort": 0.25, "batches": batches}
    found = strategy.fit(task, Trial(params, lambda _p, _q: None, None, 0))
    said = found.predict(task.train, task.features)
    assert (said.argmax(axis=1) == task.train.labels).mean() > 0.5
