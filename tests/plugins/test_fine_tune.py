from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autotransfer.models.predictors.base import Predictor
from autotransfer.models.predictors.neural import NetworkPredictor
from autotransfer.plugin import sources
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.plugin.testing import tiny_task
from autotransfer_fine_tune import FineTune


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return tiny_task(tmp_path / "cache")


def _ignore(_progress: float, _predictor: Predictor, /) -> None:
    """Take a report and do nothing."""


def _fit(task: Task, seed: int = 0, **params: Any) -> NetworkPredictor:
    strategy = FineTune()
    point = {**strategy.space(task.info).defaults(), "epochs": 3, **params}
    assert strategy.space(task.info).contains(point)
    found = strategy.fit(task, Trial(point, _ignore, None, seed))
    assert isinstance(found, NetworkPredictor)
    return found


def _source(task: Task) -> Mapping[str, torch.Tensor]:
    return {f"suffix.network.{k}": v for k, v in task.backbone().network.state_dict().items()}


def _changed(found: NetworkPredictor, start: Mapping[str, torch.Tensor]) -> set[str]:
    """Return which weights (not statistics) of the body are not those of the start."""
    return {
        name
        for name, value in found.tensors.items()
        if name in start and "running" not in name and "num_batches" not in name
        if not torch.equal(value, start[name])
    }


def test_one_stage_alone_changes_and_those_above_stay(task: Task) -> None:
    found = _fit(task, depth=0.4, window="one stage")  # two of five stages are frozen
    assert found.layers.tuned == 1
    assert found.layers.copied == 5
    changed = _changed(found, _source(task))
    assert changed
    assert all(".layer2." in name for name in changed), changed


def test_to_the_end_changes_everything_after_the_frozen_stages(task: Task) -> None:
    changed = _changed(_fit(task, depth=0.6), _source(task))
    assert {name.split(".")[2] for name in changed} == {"layer3", "layer4"}


def test_what_is_frozen_is_copied_whatever_is_asked(task: Task) -> None:
    found = _fit(task, depth=0.6, copied=0.2)
    assert (found.layers.copied, found.layers.tuned) == (3, 2)


def test_biases_and_norms_alone_are_tuned(task: Task) -> None:
    source = _source(task)
    changed = _changed(_fit(task, depth=0.0, tuned="biases and norms"), source)
    assert changed
    assert all(source[name].ndim == 1 for name in changed)


def test_low_rank_changes_leave_vectors_and_statistics_and_stay_low(task: Task) -> None:
    source = _source(task)
    found = _fit(task, depth=0.6, tuned="low rank", copied=0.8)
    changed = _changed(found, source)
    assert {name.split(".")[2] for name in changed} == {"layer3", "layer4"}  # the last is fresh
    copied = [name for name in changed if ".layer3." in name]
    assert copied
    for name in copied:
        change = (found.tensors[name] - source[name]).flatten(1)
        rank = int(torch.linalg.matrix_rank(change, rtol=1e-4))
        assert change.ndim == 2
        assert 1 <= rank <= min(8, change.numel() // 2 // sum(change.shape))


@pytest.mark.parametrize("extra", [{"back_to_source": 0.5}, {"layer_decay": 0.5}])
def test_low_rank_changes_go_with_the_other_knobs(task: Task, extra: dict[str, Any]) -> None:
    # from the probe the loss of this task is 0
    params: dict[str, Any] = {"depth": 0.0, "tuned": "low rank", "warm_start": "none"}
    plain, again = _fit(task, **params), _fit(task, **params)
    other = _fit(task, **params, **extra)
    assert plain.layers == again.layers == other.layers
    for name, value in plain.tensors.items():
        assert torch.equal(value, again.tensors[name]), name
    assert any(not torch.equal(v, other.tensors[n]) for n, v in plain.tensors.items())


@pytest.mark.parametrize("augmentation", ["flip", "crop", "colour"])
@pytest.mark.parametrize("depth", [0.0, 0.6])
def test_augmented_views_train_and_repeat_bit_for_bit(
    task: Task, augmentation: str, depth: float
) -> None:
    first = _fit(task, augmentation=augmentation, depth=depth)
    second = _fit(task, augmentation=augmentation, depth=depth)
    plain = _fit(task, depth=depth)
    name = "head.weight"
    assert torch.equal(first.tensors[name], second.tensors[name])
    assert not torch.equal(first.tensors[name], plain.tensors[name])


def test_a_window_and_a_depth_beyond_the_network_leave_one_stage_to_learn(task: Task) -> None:
    found = _fit(task, depth=1.0)
    assert found.layers.tuned == 1
    assert np.isfinite(found.predict(task.train, task.features)).all()


@pytest.mark.parametrize(("pretrained", "copied", "kept"), [(1, 1.0, 1), (1, 0.6, 0), (0, 1.0, 0)])
def test_a_pretrained_network_keeps_its_batch_statistics_however_many_images(
    task: Task, monkeypatch: pytest.MonkeyPatch, pretrained: int, copied: float, kept: int
) -> None:
    monkeypatch.setattr("autotransfer.models.schedule.SMALL_BATCHES", 0)
    if pretrained:
        weights = sources.LocalWeights(Path("weights.safetensors"), "0" * 64)
        task = replace(task, source=replace(task.source, weights=weights))
    found, start = _fit(task, depth=0.6, copied=copied).tensors, _source(task)
    means = [name for name in start if name.endswith("running_mean") and "layer3" in name]
    assert means
    assert all(torch.equal(found[name], start[name]) == bool(kept) for name in means)
