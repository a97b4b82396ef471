from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import autotransfer_multi_task
from autotransfer.errors import InvalidOptionError
from autotransfer.models.batch_norm import PRIOR_IMAGES, DomainStatistics, adapt_statistics
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.predictors.neural import NetworkPredictor
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.plugin.testing import shapes, tiny_task
from autotransfer_multi_task import MultiTask, annealed
from autotransfer_multi_task.gradient_projection import project, projected_loss


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return replace(tiny_task(tmp_path / "cache"), source_images=shapes(4, 6, seed=1))


def _fit(task: Task, reports: list[float] | None = None, **params: Any) -> NetworkPredictor:
    def report(progress: float, _predictor: Predictor, /) -> None:
        if reports is not None:
            reports.append(progress)

    strategy = MultiTask()
    point = {**strategy.space(task.info).defaults(), "epochs": 3, **params}
    assert strategy.space(task.info).contains(point)
    found = strategy.fit(task, Trial(point, report, None, 0))
    assert isinstance(found, NetworkPredictor)
    return found


def _vectors(*values: list[float]) -> list[Tensor]:
    return [torch.tensor(value) for value in values]


def test_a_conflicting_source_gradient_loses_what_opposes_the_target() -> None:
    (found,) = project(_vectors([-1.0, 1.0]), _vectors([1.0, 0.0]))
    torch.testing.assert_close(found, torch.tensor([0.0, 1.0]))
    (found,) = project(_vectors([-3.0, 1.0]), _vectors([1.0, 1.0]))  # s.t / t.t = -1
    torch.testing.assert_close(found, torch.tensor([-2.0, 2.0]))


def test_a_source_gradient_that_agrees_stays_as_it_is() -> None:
    (found,) = project(_vectors([2.0, 1.0]), _vectors([1.0, -1.0]))
    torch.testing.assert_close(found, torch.tensor([2.0, 1.0]))


def test_the_gradients_of_all_parameters_count_as_one_vector() -> None:
    found = project(_vectors([-1.0], [5.0]), _vectors([1.0], [1.0]))  # together they agree
    torch.testing.assert_close(torch.cat(found), torch.tensor([-1.0, 5.0]))


def test_a_target_gradient_of_zero_changes_nothing() -> None:
    (found,) = project(_vectors([1.0, 2.0]), _vectors([0.0, 0.0]))
    torch.testing.assert_close(found, torch.tensor([1.0, 2.0]))


def test_the_projected_loss_has_the_value_of_the_sum_and_the_projected_gradient() -> None:
    shared = nn.Parameter(torch.tensor([1.0, 2.0]))
    own = nn.Parameter(torch.tensor([3.0]))
    other = nn.Parameter(torch.tensor([4.0]))
    target = shared[0] * 1.0 + 2 * own[0]  # gradient (1, 0) on shared
    source = -shared[0] + shared[1] + 5 * other[0]  # gradient (-1, 1) on shared
    loss = projected_loss(target, source, [shared], [own, other])
    assert loss.item() == pytest.approx(7.0 + 21.0)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(shared.grad, torch.tensor([1.0, 1.0]))  # (1, 0) + (0, 1)
    torch.testing.assert_close(own.grad, torch.tensor([2.0]))
    torch.testing.assert_close(other.grad, torch.tensor([5.0]))


def test_without_conflict_the_projected_loss_is_the_sum() -> None:
    network = nn.Linear(3, 2)
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    parameters = list(network.parameters())
    projected_loss(network(x).square().sum(), network(x).square().sum(), parameters, []).backward()  # type: ignore[no-untyped-call]
    found = [p.grad.clone() for p in parameters if p.grad is not None]
    network.zero_grad()
    (2 * network(x).square().sum()).backward()
    wanted = [p.grad for p in parameters if p.grad is not None]
    assert len(found) == len(wanted) == 2
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_the_source_weight_falls_to_zero_over_the_last_third() -> None:
    found = [annealed(0.6, progress) for progress in (0.0, 0.5, 2 / 3, 5 / 6, 0.9, 1.0)]
    np.testing.assert_allclose(found, [0.6, 0.6, 0.6, 0.3, 0.18, 0.0], atol=1e-12)


def _norm() -> nn.BatchNorm2d:
    return nn.BatchNorm2d(1)  # running mean 0, variance 1, momentum 0.1


def _mean(layer: nn.BatchNorm2d) -> float:
    assert layer.running_mean is not None
    return layer.running_mean.item()


def test_each_domain_moves_only_its_own_statistics() -> None:
    layer = _norm().train()
    statistics = DomainStatistics(layer)
    layer(torch.full((4, 1, 2, 2), 10.0))
    with statistics.other():
        layer(torch.full((4, 1, 2, 2), -5.0))
        assert _mean(layer) == pytest.approx(-0.5)
    assert _mean(layer) == pytest.approx(1.0)


def test_the_statistics_of_the_target_are_back_after_an_error() -> None:
    layer = _norm()
    statistics = DomainStatistics(layer)
    with statistics.other():
        adapt_statistics(layer, lambda: iter([torch.full((2, 1, 2, 2), 7.0)]), 2)
    with pytest.raises(RuntimeError, match="stop"), statistics.other():
        raise RuntimeError("stop")
    assert _mean(layer) == 0.0


def test_few_pictures_move_the_statistics_by_their_share() -> None:
    layer = _norm()
    values = torch.tensor([2.0, 4.0, 6.0, 8.0]).reshape(4, 1, 1, 1)  # mean 5, variance 20 / 3

    def batches() -> Iterator[Tensor]:
        yield values

    adapt_statistics(layer, batches, 4)
    share = 4 / (4 + PRIOR_IMAGES)
    assert _mean(layer) == pytest.approx(5 * share)
    assert layer.running_var is not None
    assert layer.running_var.item() == pytest.approx(share * 20 / 3 + (1 - share))
    assert layer.momentum == 0.1
    assert not layer.training


def test_what_is_kept_has_the_statistics_of_the_target(task: Task) -> None:
    def means(**params: Any) -> Tensor:
        found = _fit(task, depth=0.6, **params)
        return torch.cat([v for k, v in found.tensors.items() if k.endswith("running_mean")])

    brighter = replace(task, source_images=shapes(4, 6, seed=8))
    assert not torch.equal(means(), means(batch_norm="shared"))
    first = means(source_weight=0.01)
    again = _fit(brighter, depth=0.6, source_weight=0.01)
    second = torch.cat([v for k, v in again.tensors.items() if k.endswith("running_mean")])
    torch.testing.assert_close(first, second)  # frozen: 18 images; the source's never leak in


def test_frozen_stages_are_counted_and_left_out_of_the_state(task: Task) -> None:
    found = _fit(task, depth=0.6)
    assert (found.frozen, found.layers.copied, found.layers.tuned) == (3, 5, 2)
    assert not any("layer1" in name or "layer2" in name for name in found.tensors)


def test_the_source_head_is_thrown_away(task: Task) -> None:
    found = _fit(task)
    assert found.num_classes == 3
    assert not any("source_head" in name for name in found.tensors)


def _different(one: NetworkPredictor, other: NetworkPredictor) -> bool:
    return any(not torch.equal(value, other.tensors[k]) for k, value in one.tensors.items())


def test_the_source_pictures_change_what_is_learnt(task: Task) -> None:
    params: dict[str, Any] = {"source_weight": 1.0, "batch_norm": "shared", "projection": "off"}
    other = replace(task, source_images=shapes(2, 6, seed=5))
    assert _different(_fit(task, **params), _fit(other, **params))


@pytest.mark.parametrize(("chosen", "steps"), [("on", 6), ("off", 0)])
def test_gradients_are_projected_at_every_step_or_never(
    task: Task, monkeypatch: pytest.MonkeyPatch, chosen: str, steps: int
) -> None:
    calls: list[int] = []

    def counted(target: Tensor, source: Tensor, *parameters: Any) -> Tensor:
        calls.append(len(parameters[0]))
        return projected_loss(target, source, *parameters)

    monkeypatch.setattr(autotransfer_multi_task, "projected_loss", counted)
    _fit(task, projection=chosen, epochs=3)  # 18 images: two steps an epoch
    assert len(calls) == steps
    assert all(calls)


def test_it_reports_at_the_rungs(task: Task) -> None:
    reports: list[float] = []
    _fit(task, reports, epochs=9)
    np.testing.assert_allclose(reports, [1 / 9, 1 / 3])


def test_no_source_pictures_are_refused_in_words(task: Task) -> None:
    with pytest.raises(InvalidOptionError, match="--source-data"):
        _fit(replace(task, source_images=None))


def test_with_many_pictures_batches_move_the_statistics(tmp_path: Path) -> None:
    pictures = shapes(2, 100, seed=3)
    task = replace(
        tiny_task(tmp_path / "many", num_classes=2, per_class=100), source_images=pictures
    )
    found = _fit(task, depth=1.0)
    counts = [v for k, v in found.tensors.items() if k.endswith("num_batches_tracked")]
    assert max(int(count) for count in counts) > 3 * 200 // 16
