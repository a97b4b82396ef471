from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from autotransfer.models.backbone import fresh_backbone, load_backbone
from autotransfer.models.predictors.neural import HeadedSuffix
from autotransfer.plugin.strategy import Task
from autotransfer.plugin.testing import tiny_task
from autotransfer.plugin.testing.tiny import tiny_readers
from autotransfer.results import Layers
from autotransfer_fine_tune import FineTune
from autotransfer_fine_tune.plan import Plan, prepared, probe


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return tiny_task(tmp_path / "cache")


def _prepared(task: Task, seed: int = 0, **params: Any) -> tuple[Plan, HeadedSuffix]:
    point = {**FineTune().space(task.info).defaults(), **params}
    return prepared(task, task.backbone(), point, seed)


def _trained(network: nn.Module) -> set[str]:
    return {name for name, value in network.named_parameters() if value.requires_grad}


def test_nothing_copied_is_the_fresh_network_bit_for_bit(task: Task) -> None:
    plan, network = _prepared(task, seed=7, depth=0.0, copied=0.0)
    fresh = fresh_backbone(task.source, 7)
    headed = HeadedSuffix(fresh.suffix(0), fresh.num_features, len(task.class_names), seed=7)
    for name, value in headed.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name
    assert plan.layers == Layers(stage=5, copied=0, tuned=5)


def test_all_copied_is_the_source_with_the_probe_for_a_head(task: Task) -> None:
    plan, network = _prepared(task, depth=0.0)
    source = task.backbone().network.state_dict()
    for name, value in network.suffix.state_dict().items():
        assert torch.equal(value, source[name.removeprefix("network.")]), name
    expected = torch.from_numpy(probe(task).weight).float()
    torch.testing.assert_close(network.head.weight.data, expected)
    assert plan.layers == Layers(stage=5, copied=5, tuned=5)


def test_what_lies_above_the_copied_stages_is_fresh_and_learns_whatever_the_window(
    task: Task,
) -> None:
    plan, network = _prepared(task, depth=0.4, window="one stage", copied=0.8)
    fresh = fresh_backbone(task.source, 0).network.state_dict()
    source = task.backbone().network.state_dict()
    for name, value in network.suffix.state_dict().items():
        plain = name.removeprefix("network.")
        start = fresh if "layer4" in name else source
        assert torch.equal(value, start[plain]), name
    body = {name.split(".")[2] for name in _trained(network) if name.startswith("suffix")}
    assert body == {"layer2", "layer4"}  # two of five stages are frozen, the stem among them
    assert plan.layers == Layers(stage=5, copied=4, tuned=2)


def test_biases_and_norms_are_all_that_copied_stages_learn(task: Task) -> None:
    _, network = _prepared(task, depth=0.4, tuned="biases and norms", copied=0.8)
    for name, parameter in network.named_parameters():
        expected = parameter.ndim == 1 or "layer4" in name or name.startswith("head.")
        assert parameter.requires_grad == expected, name


def test_the_rate_falls_with_the_distance_from_the_head(task: Task) -> None:
    plan, _ = _prepared(task, depth=0.4)
    rate = plan.rate_of(0.5)
    assert rate("suffix.network.layer2.0.conv1.weight") == 0.25
    assert rate("suffix.network.layer3.0.conv1.weight") == 0.5
    assert rate("suffix.network.layer4.0.conv1.weight") == 1.0
    assert rate("head.weight") == 1.0
    assert {plan.rate_of(1.0)(name) for name in plan.stage_of} == {1.0}


def test_a_network_that_cannot_be_cut_is_trained_whole(tmp_path: Path) -> None:
    task = tiny_task(tmp_path)
    preprocessing = replace(task.source.preprocessing, input_size=224)
    shape = {"depth": 2, "embed_dim": 48, "num_heads": 2, "num_classes": 5}
    source = replace(
        task.source,
        architecture="beit_base_patch16_224",
        preprocessing=preprocessing,
        kwargs=shape,
    )
    whole = replace(
        task,
        source=source,
        features=tiny_readers(tmp_path)[source],
        load_backbone=lambda: load_backbone(source),
    )
    plan, network = _prepared(whole, depth=0.5)
    assert plan.frozen == 0
    assert _trained(network) == {name for name, _ in network.named_parameters()}
