from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from autotransfer.errors import DeadlineError
from autotransfer.training import Limits, Schedule, train

LABELS = np.arange(20) % 2
INPUTS = torch.from_numpy(
    (np.random.default_rng(0).normal(size=(20, 4)) + LABELS[:, None]).astype(np.float32)
)


def _network(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 2))


def _batch(positions: NDArray[np.int64], _rng: np.random.Generator) -> torch.Tensor:
    return INPUTS[torch.from_numpy(positions)]


def _train(network: nn.Module, schedule: Schedule, **options: object) -> int:
    return train(network, _batch, LABELS, schedule, seed=1, **options)  # type: ignore[arg-type]


def test_training_lowers_the_loss_and_ends_in_eval_mode() -> None:
    network = _network()
    loss = nn.functional.cross_entropy
    before = loss(network.eval()(INPUTS), torch.from_numpy(LABELS)).item()
    assert _train(network, Schedule(epochs=30, batch_size=5, learning_rate=1e-2)) == 120
    assert not network.training
    assert loss(network(INPUTS), torch.from_numpy(LABELS)).item() < before


def test_the_same_seed_gives_the_same_bits_and_leaves_the_global_generator_alone() -> None:
    first, second = _network(), _network()
    state = torch.get_rng_state()
    _train(first, Schedule(epochs=3))
    assert torch.equal(state, torch.get_rng_state())
    torch.rand(5)
    _train(second, Schedule(epochs=3))
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_rate_warms_up_and_then_falls_to_zero() -> None:
    schedule = Schedule(epochs=1, warmup=0.1)
    assert schedule.rate(0.05) == pytest.approx(0.5)
    assert schedule.rate(0.1) == pytest.approx(1.0)
    assert schedule.rate(0.55) == pytest.approx(0.5)
    assert schedule.rate(1.0) == pytest.approx(0.0)


def test_a_deadline_that_is_sure_to_be_missed_stops_after_the_first_steps() -> None:
    clock = itertools.count()  # every look at the clock costs a second
    with pytest.raises(DeadlineError, match="do not fit"):
        _train(
            _network(),
            Schedule(epochs=100, batch_size=5),
            limits=Limits(50.0, clock=lambda: float(next(clock))),
        )


def test_a_schedule_that_may_shrink_fits_into_the_time() -> None:
    clock = itertools.count()
    steps = _train(
        _network(),
        Schedule(epochs=100, batch_size=5),
        limits=Limits(50.0, shorten=True, clock=lambda: float(next(clock))),
    )
    assert 4 <= steps < 50


def test_a_deadline_in_the_past_raises_even_when_the_schedule_may_shrink() -> None:
    with pytest.raises(DeadlineError):
        _train(_network(), Schedule(epochs=1), limits=Limits(-1.0, shorten=True))


def test_the_rungs_are_a_ninth_and_a_third_of_the_way() -> None:
    reached: list[float] = []
    _train(_network(), Schedule(epochs=9, batch_size=10), on_rung=reached.append)
    assert reached == [pytest.approx(1 / 9), pytest.approx(1 / 3)]


def test_batch_statistics_can_be_kept() -> None:
    network = _network()
    norm = network[1]  # type: ignore[index]
    before = norm.running_mean.clone()
    _train(network, Schedule(epochs=2, keep_batch_statistics=True))
    assert torch.equal(norm.running_mean, before)


def test_frozen_parameters_stay_as_they_are() -> None:
    network = _network()
    first = network[0]  # type: ignore[index]
    first.requires_grad_(requires_grad=False)
    before = first.weight.clone()
    _train(network, Schedule(epochs=2))
    assert torch.equal(first.weight, before)


def test_a_loss_that_is_not_finite_raises() -> None:
    def broken(positions: NDArray[np.int64], _rng: np.random.Generator) -> torch.Tensor:
        return INPUTS[torch.from_numpy(positions)] * float("nan")

    with pytest.raises(FloatingPointError, match="rate"):
        train(_network(), broken, LABELS, Schedule(epochs=1), seed=0)
