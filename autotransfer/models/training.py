"""The one training loop: schedule, deadline, rungs and seeding."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autotransfer.models.batch_order import endless_order
from autotransfer.models.micro_batches import fitted
from autotransfer.models.schedule import Limits, Schedule

RUNGS = (1 / 9, 1 / 3)  # shares of a trial's own budget at which it is scored; 1 is the end
_MEASURED_STEPS = 3  # the first steps warm up and are timed before the rest is predicted

BatchSource = Callable[[NDArray[np.int64], np.random.Generator], Tensor]


@dataclass(frozen=True)
class Step:
    """What an objective sees of one step.

    Args:
        network: The network, in training mode.
        inputs: (b, ...) what `batch` returned.
        targets: (b,) classes.
        positions: (b,) which training images these are.
        progress: Share of all steps that is done, in [0, 1).
        generator: The generator of the training, for whatever else is random.
    """

    network: nn.Module
    inputs: Tensor
    targets: Tensor
    positions: NDArray[np.int64]
    progress: float
    generator: np.random.Generator


Objective = Callable[[Step], Tensor]


def train(
    network: nn.Module,
    batch: BatchSource,
    labels: NDArray[np.int64],
    schedule: Schedule,
    *,
    seed: int,
    limits: Limits | None = None,
    head: Sequence[nn.Parameter] = (),
    on_rung: Callable[[float], None] | None = None,
    objective: Objective | None = None,
    after_step: Callable[[float], None] | None = None,
    rate_of: Callable[[str], float] | None = None,
    decay_of: Callable[[str], float] | None = None,
) -> int:
    """Train in place; the network ends in eval mode.

    Modules whose own parameters are all frozen stay in eval mode. On a GPU that has it, the
    forward pass runs in bfloat16. From the first batch on that does not fit in its memory,
    batches are shown in halves, whose gradients add up; see `micro_batches`.

    Args:
        network: Maps a batch to (b, K) logits; parameters without gradient stay as they are.
        batch: Returns the inputs of the images at (b,) positions; its generator decides
            augmentation.
        labels: (n,) classes in [0, K).
        schedule: How long and how fast.
        seed: Seeds order, augmentation and dropout; torch's global state is left as it was.
        limits: The deadline.
        head: Parameters that learn at the rate of the head.
        on_rung: Called at each of `RUNGS` with the share of the budget that is spent.
        objective: Returns the scalar that is minimised; None is cross-entropy with the label
            smoothing of the schedule.
        after_step: Called after every update with the learning rate of the tuned layers, for
            what acts on the weights themselves (decay towards the source, for one).
        rate_of: Learning rate of a parameter by its name, in units of the tuned layers' rate;
            None is 1 for all. The head multiplier comes on top.
        decay_of: Weight decay of a parameter by its name, in units of the schedule's; None is 1
            for all. Vectors (biases, norms) never decay.

    Returns:
        Number of steps that were taken.

    Raises:
        DeadlineError: If the training cannot end in time; `limits.shorten` avoids that.
        FloatingPointError: If the loss is not finite.
        torch.OutOfMemoryError: If half a batch does not fit either.
    """
    limits, minimised = limits or Limits(), objective or cross_entropy(schedule)
    with _forked(network):
        torch.manual_seed(seed)
        optimiser = _optimiser(network, schedule, head, rate_of, decay_of)
        generator, device = np.random.default_rng(seed), next(network.parameters()).device
        peaks = [group["lr"] for group in optimiser.param_groups]
        planned = schedule.epochs * math.ceil(len(labels) / schedule.batch_size)
        rungs = list(RUNGS)
        order = endless_order(len(labels), schedule.batch_size, generator)
        began, step, pieces = 0.0, 0, 1
        _train_mode(network, schedule)
        while step < planned and limits.go_on(step):
            if step == 1:  # the first step pays for allocations and is no measure of the rest
                began = limits.clock()
            if step == 1 + _MEASURED_STEPS:
                seconds = (limits.clock() - began) / _MEASURED_STEPS
                planned = limits.planned_steps(planned, done=step, seconds_per_step=seconds)
            rate = schedule.rate((step + 1) / planned)
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["lr"] = peak * rate
            positions = next(order)
            targets = torch.from_numpy(labels[positions]).to(device)
            inputs = batch(positions, generator).to(device)
            shown = Step(network, inputs, targets, positions, step / planned, generator)
            learn = partial(_accumulate, shown, minimised, optimiser)
            pieces = fitted(learn, pieces=pieces, size=len(shown.targets))
            nn.utils.clip_grad_norm_(network.parameters(), schedule.clip)
            optimiser.step()
            if after_step is not None:
                after_step(schedule.learning_rate * rate)
            step += 1
            while on_rung and rungs and rungs[0] <= step / planned < 1:
                network.eval()
                on_rung(rungs.pop(0))
                _train_mode(network, schedule)
    network.eval()
    return step


def _forked(network: nn.Module) -> AbstractContextManager[None]:
    """Leave torch's global state as it was, on the device of the network as well."""
    devices = [p.device.index or 0 for p in network.parameters() if p.device.type == "cuda"][:1]
    return torch.random.fork_rng(devices=devices)


def cross_entropy(schedule: Schedule) -> Objective:
    """Return the default objective: cross-entropy, smoothed as the schedule says."""

    def loss(step: Step) -> Tensor:
        logits, smoothing = step.network(step.inputs), schedule.label_smoothing
        return nn.functional.cross_entropy(logits, step.targets, label_smoothing=smoothing)

    return loss


def mixed(step: Step, alpha: float) -> tuple[Tensor, Tensor, Tensor, float]:
    """Return inputs mixed with others of the batch, both their classes, and the first's share.

    Args:
        step: The step.
        alpha: Of the Beta distribution of the share; 0 mixes nothing.

    References:
        Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018, arXiv:1710.09412.
    """
    if not alpha:
        return step.inputs, step.targets, step.targets, 1.0
    share = float(step.generator.beta(alpha, alpha))
    order = torch.from_numpy(step.generator.permutation(len(step.inputs)))
    inputs = share * step.inputs + (1 - share) * step.inputs[order]
    return inputs, step.targets, step.targets[order.to(step.targets.device)], share


def _train_mode(network: nn.Module, schedule: Schedule) -> None:
    network.train()
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        normalises = isinstance(module, nn.modules.batchnorm._BatchNorm)  # noqa: SLF001
        frozen = bool(own) and not any(parameter.requires_grad for parameter in own)
        if frozen or (normalises and schedule.keep_batch_statistics):
            module.eval()


def _accumulate(
    shown: Step, objective: Objective, optimiser: torch.optim.Optimizer, pieces: int
) -> None:
    """Put the gradient of the mean loss into the parameters, in so many pieces of the batch."""
    optimiser.zero_grad(set_to_none=True)
    size, inputs, targets = len(shown.targets), shown.inputs, shown.targets
    halves = inputs.device.type == "cuda" and torch.cuda.is_bf16_supported()
    for positions in np.array_split(np.arange(size), pieces):
        part, piece = slice(positions[0], positions[-1] + 1), shown
        if pieces > 1:
            of_part = shown.positions[part]
            piece = replace(shown, inputs=inputs[part], targets=targets[part], positions=of_part)
        with torch.autocast("cuda", torch.bfloat16, enabled=halves):
            loss = objective(piece)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the training loss became {loss.item()}; try a lower rate")
        share = len(positions) / size
        (loss if pieces == 1 else share * loss).backward()  # type: ignore[no-untyped-call]


def _optimiser(
    network: nn.Module,
    schedule: Schedule,
    head: Sequence[nn.Parameter],
    rate_of: Callable[[str], float] | None,
    decay_of: Callable[[str], float] | None,
) -> torch.optim.Optimizer:
    """Return the optimiser; vectors (biases, norms) are not decayed.

    All weights are updated in one kernel where the device has one: parameter by parameter, a
    step of AdamW on a small network costs three times as much.
    """
    of_head = {id(parameter) for parameter in head}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            rate = schedule.head_multiplier if id(parameter) in of_head else 1.0
            rate *= 1.0 if rate_of is None else rate_of(name)
            decay = 1.0 if decay_of is None else decay_of(name)
            key = schedule.learning_rate * rate, schedule.weight_decay * decay
            groups.setdefault(key if parameter.ndim > 1 else (key[0], 0.0), []).append(parameter)
    described = [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]
    fused = all(parameter.device.type in ("cpu", "cuda") for parameter in network.parameters())
    if schedule.optimiser == "sgd":
        return torch.optim.SGD(
            described, lr=schedule.learning_rate, momentum=0.9, nesterov=True, fused=fused
        )
    return torch.optim.AdamW(described, fused=fused)
