from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from autotransfer.errors import UndefinedScoreError
from autotransfer.models.backbone import load_backbone
from autotransfer.models.micro_batches import collected_remarks
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.predictors.neural import HeadedSuffix, NetworkPredictor
from autotransfer.models.source import Source
from autotransfer.models.stages import POOLED
from autotransfer.models.training import Step, mixed
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.plugin.testing import tiny_task
from autotransfer.plugin.testing.tiny import tiny_readers
from autotransfer_fine_tune import FineTune
from autotransfer_fine_tune.keeping import PULL, conserved, objective
from autotransfer_fine_tune.learning import learner
from autotransfer_fine_tune.modalities import CONSERVATION
from autotransfer_fine_tune.plan import prepared, probe

KINDS = [name for name in CONSERVATION if name != "none"]


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return tiny_task(tmp_path / "cache", per_class=4)


def _ignore(_progress: float, _predictor: Predictor, /) -> None:
    """Take a report and do nothing."""


def _point(task: Task, **params: Any) -> dict[str, Any]:
    return {**FineTune().space(task.info).defaults(), "epochs": 3, **params}


def _fit(task: Task, report: Any = _ignore, **params: Any) -> Mapping[str, torch.Tensor]:
    found = FineTune().fit(task, Trial(_point(task, **params), report, None, 0))
    assert isinstance(found, NetworkPredictor)
    return found.tensors


def _source(task: Task) -> Mapping[str, torch.Tensor]:
    return {f"suffix.network.{k}": v for k, v in task.backbone().network.state_dict().items()}


def _same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def _of_source(task: Task, cache: Path, source: Source) -> Task:
    return replace(
        task,
        source=source,
        features=tiny_readers(cache)[source],
        load_backbone=lambda: load_backbone(source),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_strength_zero_is_plain_fine_tuning_bit_for_bit_and_more_is_not(
    task: Task, kind: str
) -> None:
    plain = _fit(task, depth=0.6)
    assert _same(plain, _fit(task, depth=0.6, conservation=kind, conservation_strength=0.0))
    assert not _same(plain, _fit(task, depth=0.6, conservation=kind, conservation_strength=9.0))


def test_l2_sp_of_huge_strength_leaves_every_weight_at_the_source(task: Task) -> None:
    fresh_head = {"depth": 0.0, "warm_start": "none"}
    found = _fit(task, **fresh_head, conservation="l2-sp", conservation_strength=1e9)
    weights = {name: w for name, w in _source(task).items() if name in found and w.ndim > 1}
    assert len(weights) > 5
    for name, weight in weights.items():
        assert torch.equal(found[name], weight), name
    assert not torch.equal(found["head.weight"], _fit(task, **fresh_head)["head.weight"])


@pytest.mark.parametrize("kind", ["delta", "distillation", "rkd"])
def test_a_strong_penalty_keeps_what_it_compares_nearer_to_the_source(
    task: Task, kind: str
) -> None:
    backbone = task.backbone()
    x = task.features.inputs(task.train, 0).batch(np.arange(len(task.train)))

    def compared(features: torch.Tensor) -> torch.Tensor:
        if kind == "distillation":
            return backbone.classifier()(features).softmax(dim=1)  # type: ignore[no-any-return]
        if kind == "rkd":
            distances = torch.cdist(features, features)
            return distances / distances.mean()
        return features

    def shift(**params: Any) -> float:
        point = _point(task, depth=0.0, warm_start="none", epochs=9, **params)
        found = FineTune().fit(task, Trial(point, _ignore, None, 0))
        assert isinstance(found, NetworkPredictor)
        with torch.no_grad():
            before, after = compared(backbone(x)), compared(found.network.features(x))
        return float((after - before).norm())

    assert shift(conservation=kind, conservation_strength=100.0) < 0.75 * shift()


def test_l2_sp_replaces_the_decay_of_what_it_holds_and_of_nothing_else(task: Task) -> None:
    params = _point(task, depth=0.4, copied=0.8, conservation="l2-sp", layer_decay=0.5)
    backbone = task.backbone()
    plan, network = prepared(task, backbone, params, 0)
    learns = learner(network, plan, 0.5, 0)
    kept = conserved(task, backbone, learns, plan, params, learning_rate=3e-4)
    assert kept.decay_of("suffix.network.layer2.0.conv1.weight") == 0.0
    assert kept.decay_of("suffix.network.layer4.0.conv1.weight") == 1.0  # fresh: no source
    assert kept.decay_of("head.weight") == 1.0
    weight = network.get_parameter("suffix.network.layer2.0.conv1.weight")
    start = weight.detach().clone()
    with torch.no_grad():
        weight.add_(1.0)
    assert kept.after_step is not None
    kept.after_step(3e-4)  # one step at the peak rate, two stages below the last
    torch.testing.assert_close(weight.detach() - start, torch.full_like(start, 1 - PULL / 4))


def test_feature_maps_reach_a_last_stage_that_is_no_module(task: Task, tmp_path: Path) -> None:
    source = replace(task.source, architecture="test_efficientnet")
    other = _of_source(task, tmp_path / "other", source)
    stages = other.backbone().stages
    assert stages[-1].module == POOLED
    plain = _fit(other, depth=1.0)
    kept = _fit(other, depth=1.0, conservation="delta", conservation_strength=100.0)
    assert not _same(plain, kept)


@pytest.mark.parametrize(
    "params", [{"conservation": "delta"}, {"conservation": "l2-sp"}, {"back_to_source": 0.5}]
)
def test_what_holds_copied_stages_tells_where_none_learns(
    task: Task, params: dict[str, Any]
) -> None:
    with collected_remarks() as remarks:
        held = _fit(task, depth=0.0, copied=0.0, **params)
    assert [text.partition(" had no effect: ")[2] for text in remarks] == [
        "no copied stage learns"
    ]
    assert _same(held, _fit(task, depth=0.0, copied=0.0))


def test_l2_sp_of_huge_strength_leaves_biases_and_norms_at_the_source_where_they_learn(
    task: Task,
) -> None:
    fixed = {"depth": 0.0, "warm_start": "none", "tuned": "biases and norms"}
    moved, source = _fit(task, **fixed), _source(task)
    held = _fit(task, **fixed, conservation="l2-sp", conservation_strength=1e9)
    names = [n for n, w in source.items() if n in held and w.ndim == 1 and "running" not in n]
    assert any(not torch.equal(moved[name], source[name]) for name in names)
    assert all(torch.equal(held[name], source[name]) for name in names)


def test_l2_sp_of_low_rank_changes_shrinks_the_change_by_the_same_share(task: Task) -> None:
    params = _point(task, depth=0.4, tuned="low rank", conservation="l2-sp", layer_decay=0.5)
    backbone = task.backbone()
    plan, network = prepared(task, backbone, params, 0)
    learns = learner(network, plan, 0.5, 0)
    kept = conserved(task, backbone, learns, plan, params, learning_rate=3e-4)
    with torch.no_grad():
        for up in learns.held.values():
            up.fill_(1.0)
    name = "suffix.network.layer2.0.conv1.weight"
    start = network.get_parameter(name).detach().clone()

    def change() -> torch.Tensor:
        with learns.merged():
            return network.get_parameter(name).detach() - start

    before = change()
    assert float(before.abs().max()) > 0
    assert kept.after_step is not None
    kept.after_step(3e-4)  # one step at the peak rate, two stages below the last
    torch.testing.assert_close(change(), (1 - PULL / 4) * before)
    assert kept.decay_of(next(iter(learns.held))) == 0.0


def test_the_head_of_the_source_learns_in_co_tuning_alone(task: Task) -> None:
    backbone = task.backbone()
    for kind in ("co-tuning", "distillation"):
        params = _point(task, depth=0.4, conservation=kind)
        plan, network = prepared(task, backbone, params, 0)
        learns = learner(network, plan, 1.0, 0)
        kept = conserved(task, backbone, learns, plan, params, learning_rate=3e-4)
        learning = {parameter.requires_grad for parameter in kept.beside.parameters()}
        assert learning == {kind == "co-tuning"}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "l2-sp"])
def test_mixup_changes_the_training_beside_every_penalty(task: Task, kind: str) -> None:
    one = _fit(task, depth=0.6, conservation=kind)
    assert not _same(one, _fit(task, depth=0.6, conservation=kind, mixup=True))


@pytest.mark.parametrize("kind", ["distillation", "co-tuning"])
def test_a_source_without_a_head_is_refused_in_words(
    task: Task, tmp_path: Path, kind: str
) -> None:
    headless = _of_source(task, tmp_path / "bare", replace(task.source, kwargs={"num_classes": 0}))
    with pytest.raises(UndefinedScoreError, match="choose a conservation that needs none"):
        _fit(headless, conservation=kind)


@pytest.mark.parametrize("warm_start", ["probe", "none"])
def test_all_the_way_back_is_the_source_with_the_probe(task: Task, warm_start: str) -> None:
    found = _fit(task, depth=0.0, back_to_source=1.0, warm_start=warm_start)
    source = _source(task)
    for name in found.keys() & source.keys():
        assert torch.equal(found[name], source[name]), name
    expected = torch.from_numpy(probe(task).weight).float()
    torch.testing.assert_close(found["head.weight"], expected)


def test_half_the_way_back_is_the_mean_of_both_ends(task: Task) -> None:
    ends = [_fit(task, depth=0.4, back_to_source=share) for share in (0.0, 1.0)]
    for name, value in _fit(task, depth=0.4, back_to_source=0.5).items():
        if value.is_floating_point():
            torch.testing.assert_close(value, (ends[0][name] + ends[1][name]) / 2)


def test_what_is_shown_at_a_rung_has_gone_back_as_well(task: Task) -> None:
    shown: list[Mapping[str, torch.Tensor]] = []

    def report(_progress: float, predictor: Predictor, /) -> None:
        assert isinstance(predictor, NetworkPredictor)
        shown.append(predictor.tensors)

    final = _fit(task, report, depth=0.4, back_to_source=1.0, epochs=9)
    assert len(shown) == 2
    assert all(_same(tensors, final) for tensors in shown)


def test_mixup_weighs_both_labels_by_their_share() -> None:
    inputs = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])
    network = HeadedSuffix(nn.Identity(), 2, 2)
    with torch.no_grad():
        network.head.weight.copy_(torch.eye(2))
        network.head.bias.zero_()
    targets = torch.tensor([0, 1, 1])

    def step() -> Step:
        return Step(network, inputs, targets, np.arange(3), 0.0, np.random.default_rng(4))

    found = objective(network, {"mixup": True, "label_smoothing": 0.0}, None)(step())
    x, own, other, share = mixed(step(), 0.2)
    assert 0.0 < share < 1.0
    expected = 0.0
    for row, a, b in zip(x.tolist(), own.tolist(), other.tolist(), strict=True):
        total = math.log(math.exp(row[0]) + math.exp(row[1]))
        expected += share * (total - row[a]) + (1 - share) * (total - row[b])
    assert found.item() == pytest.approx(expected / 3, rel=1e-5)


def test_smoothing_moves_a_share_of_the_label_to_all_classes() -> None:
    network = HeadedSuffix(nn.Identity(), 2, 2)
    with torch.no_grad():
        network.head.weight.copy_(torch.eye(2))
        network.head.bias.zero_()
    step = Step(
        network,
        torch.tensor([[1.0, 0.0]]),
        torch.tensor([0]),
        np.arange(1),
        0.0,
        np.random.default_rng(0),
    )
    found = objective(network, {"mixup": False, "label_smoothing": 0.1}, None)(step)
    total = math.log(math.e + 1)
    assert found.item() == pytest.approx(0.95 * (total - 1) + 0.05 * total, rel=1e-5)


def test_a_penalty_is_added_and_turns_mixup_off() -> None:
    network = HeadedSuffix(nn.Identity(), 2, 2, seed=1)
    step = Step(
        network,
        torch.ones(2, 2),
        torch.tensor([0, 1]),
        np.arange(2),
        0.0,
        np.random.default_rng(0),
    )
    plain = objective(network, {"mixup": False, "label_smoothing": 0.0}, None)(step)
    added = objective(
        network, {"mixup": True, "label_smoothing": 0.0}, lambda _, features: features.sum()
    )(step)
    assert added.item() == pytest.approx(plain.item() + 4.0, rel=1e-6)
