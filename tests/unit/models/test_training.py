from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from autotransfer.errors import DeadlineError
from autotransfer.models.schedule import Limits, Schedule
from autotransfer.models.training import Step, mixed, train

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


def test_mixup_mixes_inputs_and_both_classes() -> None:
    inputs, targets = torch.arange(8.0).reshape(4, 2), torch.tensor([0, 1, 2, 3])
    step = Step(nn.Identity(), inputs, targets, np.arange(4), 0.0, np.random.default_rng(1))
    found, first, second, share = mixed(step, 0.4)
    assert 0 <= share <= 1
    torch.testing.assert_close(found, share * inputs + (1 - share) * inputs[second])
    assert torch.equal(first, targets)
    assert mixed(step, 0.0)[3] == 1.0


def test_frozen_modules_stay_in_eval_mode_and_keep_their_statistics() -> None:
    frozen, tuned = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    network = nn.Sequential(frozen, nn.Linear(2, 2), tuned, nn.Linear(2, 2))
    for parameter in frozen.parameters():
        parameter.requires_grad_(False)  # noqa: FBT003
    x = torch.randn(8, 2, generator=torch.Generator().manual_seed(0)) + 5
    train(
        network,
        lambda positions, _: x[positions],
        np.arange(8) % 2,
        Schedule(epochs=2, batch_size=4),
        seed=0,
    )
    assert frozen.running_mean is not None
    assert tuned.running_mean is not None
    assert frozen.running_mean.tolist() == [0.0, 0.0]
    assert tuned.running_mean.tolist() != [0.0, 0.0]


def test_rates_by_name_and_sgd_are_taken_literally() -> None:
    """One step of plain SGD without momentum history: the shift is the rate times the gradient."""
    layers = [nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)]
    network = nn.Sequential(*layers)
    start = [torch.eye(2), torch.eye(2)]
    x, labels = torch.tensor([[1.0, 0.0]]), np.array([1])
    schedule = Schedule(
        epochs=1, learning_rate=0.1, weight_decay=0.0, optimiser="sgd", warmup=0.0, clip=1e9
    )
    shifts = []
    for multiplier in (1.0, 0.5):
        for layer, weight in zip(layers, start, strict=True):
            layer.weight.data.copy_(weight)
        train(
            network,
            lambda positions, _: x[positions],
            labels,
            schedule,
            seed=0,
            rate_of=lambda name, m=multiplier: m if name.startswith("0.") else 1.0,  # type: ignore[misc]
        )
        shifts.append([layer.weight.detach() - w for layer, w in zip(layers, start, strict=True)])
    torch.testing.assert_close(shifts[1][0], 0.5 * shifts[0][0])
    torch.testing.assert_close(shifts[1][1], shifts[0][1])


@pytest.mark.parametrize(
    ("failure", "words"),
    [(torch.OutOfMemoryError("no memory left"), "no memory left"), (None, "became nan")],
)
def test_a_failing_objective_is_raised_in_words(failure: Exception | None, words: str) -> None:
    def objective(step: Step) -> torch.Tensor:
        if failure is not None:
            raise failure
        return step.network(step.inputs).sum() * float("nan")  # type: ignore[no-any-return]

    with pytest.raises((torch.OutOfMemoryError, FloatingPointError), match=words):
        train(
            nn.Linear(2, 2),
            lambda positions, _: torch.ones(len(positions), 2),
            np.array([0, 1]),
            Schedule(epochs=1),
            seed=0,
            objective=objective,
        )


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_decay_by_name_falls_on_the_weights_that_are_named(optimiser: str) -> None:
    """With a loss that has no gradient, a step is the decay alone: w (1 - rate * decay)."""
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    start = {name: value.clone() for name, value in network.state_dict().items()}
    train(
        network,
        lambda positions, _: torch.ones(len(positions), 2),
        np.array([0, 1]),
        Schedule(epochs=2, learning_rate=0.1, weight_decay=0.5, optimiser=optimiser, warmup=0.0),
        seed=0,
        objective=lambda step: step.network(step.inputs).sum() * 0.0,
        decay_of=lambda name: 2.0 if name.startswith("0.") else 0.0,
    )
    rate = 0.1 * 0.5  # the cosine half-way; at the second and last step it is zero
    for name, value in network.state_dict().items():
        share = {"0.weight": 2 * 0.5}.get(name, 0.0) * rate
        # Nesterov momentum adds 0.9 of the gradient, here that of the penalty, a second time
        factor = 1.9 if optimiser == "sgd" else 1.0
        torch.testing.assert_close(value, start[name] * (1 - factor * share))


def test_a_single_picture_that_is_left_over_is_never_shown_alone() -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    inputs = torch.randn(17, 4, generator=torch.Generator().manual_seed(0))
    sizes: list[int] = []

    def batch(positions: NDArray[np.int64], _generator: np.random.Generator) -> torch.Tensor:
        sizes.append(len(positions))
        return inputs[torch.from_numpy(positions)]

    labels = np.arange(17) % 2
    schedule = Schedule(epochs=2, batch_size=16)
    assert train(network, batch, labels, schedule, seed=0) == 4
    assert sizes == [16, 2, 16, 2]
