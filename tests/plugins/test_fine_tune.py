from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autotransfer.backbone import fresh_backbone
from autotransfer.errors import UndefinedScoreError
from autotransfer.predictors import NetworkPredictor
from autotransfer.problem import Untrained
from autotransfer.strategy import Predictor, Task, Trial
from autotransfer.testing import tiny_task
from autotransfer_fine_tune import CONSERVATION, FineTune

SOURCE_SEED = 0


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


def test_nothing_copied_is_the_network_from_scratch(task: Task) -> None:
    found = _fit(task, seed=7, depth=0.0, copied=0.0, epochs=3, learning_rate_multiplier=0.1)
    fresh = fresh_backbone(task.source, 7).network.state_dict()
    start = {f"suffix.network.{name}": value for name, value in fresh.items()}
    source = _source(task)
    weight = "suffix.network.conv1.0.weight"
    to_fresh = (found.tensors[weight] - start[weight]).norm()
    to_source = (found.tensors[weight] - source[weight]).norm()
    assert to_fresh < 0.2 * to_source
    assert found.layers.copied == 0


def test_what_is_frozen_is_copied_whatever_is_asked(task: Task) -> None:
    found = _fit(task, depth=0.6, copied=0.2)
    assert (found.layers.copied, found.layers.tuned) == (3, 2)


def test_biases_and_norms_alone_are_tuned(task: Task) -> None:
    source = _source(task)
    changed = _changed(_fit(task, depth=0.0, tuned="biases and norms"), source)
    assert changed
    assert all(source[name].ndim == 1 for name in changed)


@pytest.mark.parametrize("kind", [name for name in CONSERVATION if name != "none"])
def test_a_conservation_keeps_the_network_nearer_to_the_source(task: Task, kind: str) -> None:
    source = _source(task)

    def shift(**params: Any) -> float:
        found = _fit(task, depth=0.0, warm_start="none", epochs=6, **params)
        names = _changed(found, source)
        return float(sum((found.tensors[n] - source[n]).square().sum() for n in names))

    strong = shift(conservation=kind, conservation_strength=100.0)
    assert strong != shift()
    if kind == "l2-sp":
        assert strong < 0.3 * shift()


def test_the_l2_sp_of_full_strength_stays_at_the_source(task: Task) -> None:
    params: dict[str, Any] = {"conservation": "l2-sp", "conservation_strength": 100.0}
    found = _fit(task, depth=0.0, learning_rate_multiplier=10.0, **params)
    source = _source(task)
    weight = "suffix.network.layer4.0.conv1.weight"
    free = _fit(task, depth=0.0, learning_rate_multiplier=10.0).tensors[weight] - source[weight]
    held = found.tensors[weight] - source[weight]
    assert held.norm() < 0.2 * free.norm()


def test_all_the_way_back_is_the_start(task: Task) -> None:
    found = _fit(task, depth=0.0, back_to_source=1.0)
    source = _source(task)
    for name in _changed(found, source):
        torch.testing.assert_close(found.tensors[name], source[name], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", ["distillation", "co-tuning"])
def test_a_source_without_a_head_is_refused_in_words(tmp_path: Path, kind: str) -> None:
    task = tiny_task(tmp_path)
    headless = replace(task.source, kwargs={"num_classes": 0}, weights=Untrained(SOURCE_SEED))
    from autotransfer.backbone import load_backbone
    from autotransfer.testing.tiny import tiny_readers

    bare = replace(
        task,
        source=headless,
        features=tiny_readers(tmp_path)[headless],
        load_backbone=lambda: load_backbone(headless),
    )
    with pytest.raises(UndefinedScoreError, match="choose a conservation that needs none"):
        _fit(bare, conservation=kind)


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


def test_sgd_mixup_smoothing_and_decay_are_heard(task: Task) -> None:
    plain = _fit(task).tensors["head.weight"]
    for change in (
        {"optimiser": "sgd"},
        {"mixup": True},
        {"label_smoothing": 0.1},
        {"layer_decay": 0.5},
        {"head_multiplier": 10.0},
    ):
        params: dict[str, Any] = {"depth": 0.4, **change} if "layer_decay" in change else change
        base = _fit(task, depth=0.4).tensors if "layer_decay" in change else {"head.weight": plain}
        name = "suffix.network.layer2.0.conv1.weight" if "layer_decay" in change else "head.weight"
        assert not torch.equal(_fit(task, **params).tensors[name], base[name]), change


def test_a_window_and_a_depth_beyond_the_network_leave_one_stage_to_learn(task: Task) -> None:
    found = _fit(task, depth=1.0)
    assert found.layers.tuned == 1
    assert np.isfinite(found.predict(task.train, task.features)).all()
