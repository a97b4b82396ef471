"""How long and how fast to train, and when it has to be over."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from autotransfer.errors import DeadlineError

SMALL_BATCHES = 200  # with fewer images the batch statistics of a fresh network are noise


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train: linear warm-up, then cosine to zero.

    Args:
        epochs: Passes over the training images.
        batch_size: Images in a step.
        learning_rate: Peak rate of the layers that are tuned.
        head_multiplier: Rate of the head, in units of `learning_rate`.
        weight_decay: Decoupled weight decay of AdamW; L2 penalty of SGD.
        optimiser: "adamw", or "sgd" with Nesterov momentum 0.9.
        warmup: Share of all steps spent warming up, in [0, 1).
        label_smoothing: In [0, 1).
        clip: Largest norm of the gradient.
        keep_batch_statistics: Whether batch norm uses, and keeps, the statistics it has; see
            `keeps_batch_statistics`.
    """

    epochs: int
    batch_size: int = 16
    learning_rate: float = 1e-3
    head_multiplier: float = 1.0
    weight_decay: float = 1e-2
    optimiser: str = "adamw"
    warmup: float = 0.05
    label_smoothing: float = 0.0
    clip: float = 1.0
    keep_batch_statistics: bool = False

    def rate(self, progress: float) -> float:
        """Return the learning rate at a share of all steps, in units of the peak."""
        if progress < self.warmup:
            return progress / self.warmup
        return 0.5 * (1 + math.cos(math.pi * (progress - self.warmup) / (1 - self.warmup)))


@dataclass(frozen=True)
class Limits:
    """When training has to be over, and what to do when it cannot be.

    Args:
        deadline: `time.monotonic()` of the end; None is no limit.
        shorten: Whether the schedule shrinks to fit; otherwise a deadline that is sure to be
            missed raises as soon as the first steps have been timed.
        clock: The clock of the deadline.
    """

    deadline: float | None = None
    shorten: bool = False
    clock: Callable[[], float] = time.monotonic

    def go_on(self, done: int) -> bool:
        """Return whether another step may start after so many.

        Raises:
            DeadlineError: If the deadline is past and the schedule may not shrink, or nothing
                was done yet.
        """
        if self.deadline is None or self.clock() < self.deadline:
            return True
        if self.shorten and done:
            return False
        raise DeadlineError("the deadline of the trial has passed")

    def planned_steps(self, steps: int, *, done: int, seconds_per_step: float) -> int:
        """Return the number of steps in all that the time allows.

        Raises:
            DeadlineError: If not all of them fit and the schedule may not shrink.
        """
        if self.deadline is None:
            return steps
        possible = done + int((self.deadline - self.clock()) / max(seconds_per_step, 1e-9))
        if possible >= steps:
            return steps
        if not self.shorten:
            raise DeadlineError(
                f"{steps} steps of {seconds_per_step:.2g} s do not fit in the time left"
            )
        return max(possible, done + 1)


def keeps_batch_statistics(num_items: int, *, pretrained: bool) -> bool:
    """Return whether batch norm should train with the statistics that it has.

    A pretrained network always should: with those of batches of 16, fine-tunes on 200 to 1500
    images lost 2 to 36 points on nine cells of nine (`docs/strategies.md`).

    Args:
        num_items: Number of items to learn from.
        pretrained: Whether every layer was.
    """
    return pretrained or num_items < SMALL_BATCHES
