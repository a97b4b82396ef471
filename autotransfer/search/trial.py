"""A trial: what is run, what comes back, and what all trials of a fit share."""

from __future__ import annotations

import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import optuna
import torch
from numpy.typing import NDArray

from autotransfer.errors import DeadlineError, one_line
from autotransfer.masking import masked
from autotransfer.models.features import FeatureReaders
from autotransfer.models.micro_batches import collected_remarks
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.source import Source
from autotransfer.plugin.strategy import Strategy
from autotransfer.results import Outcome, ParamValue, State
from autotransfer.search.pruning import Losses
from autotransfer.search.watchdog import ended_at

OUT_OF_TIME = "out of time: "


@dataclass(frozen=True)
class TrialSpec:
    """What to run.

    Args:
        number: Number of the trial in its study.
        seed: Seeds everything random in the trial.
        deadline: `time.monotonic()` of its end; None is no limit.
        rivals: (n,) losses at each step that it has to keep up with; None where there are none.
    """

    number: int
    source: Source
    strategy: Strategy
    params: Mapping[str, ParamValue]
    seed: int
    deadline: float | None
    rivals: Sequence[NDArray[np.float32] | None] = ()

    @property
    def outcome(self) -> Outcome:
        """Return the outcome of the trial, complete and without any figures."""
        return Outcome(
            self.number,
            self.source.name,
            self.strategy.name,
            dict(self.params),
            State.COMPLETE,
            adaptation=self.source.adaptation,
        )


@dataclass(frozen=True)
class TrialResult:
    """The outcome, and what is left of a trial unless it failed.

    Args:
        predictor: The predictor of the first fold.
        validation: (n, K) probabilities for the validation items of all folds in order; None
            unless complete.
        losses: Calibrated losses at every step that was scored.
    """

    outcome: Outcome
    predictor: Predictor | None
    validation: NDArray[np.float64] | None = None
    losses: Losses = field(default_factory=dict)


def attempted(
    spec: TrialSpec, work: Callable[[Outcome], Outcome], device: torch.device
) -> Outcome:
    """Return the outcome of a trial; whatever goes wrong becomes one, with one line that says why.

    Args:
        spec: What is run; it is ended at its deadline.
        work: Returns the complete outcome, given one without any figures.
        device: Where it computes.
    """
    began, blank, remarks = time.perf_counter(), spec.outcome, list[str]()
    try:
        with ended_at(spec.deadline), collected_remarks() as remarks:
            outcome = work(blank)
    except optuna.TrialPruned as stop:
        outcome = replace(blank, state=State.PRUNED, reason=_first_line(stop))
    except DeadlineError as stop:
        outcome = replace(blank, state=State.PRUNED, reason=OUT_OF_TIME + _first_line(stop))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a strategy does, we go on
        outcome = replace(
            blank, state=State.FAILED, reason=one_line(error), error=masked(traceback.format_exc())
        )
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return replace(outcome, remarks=tuple(remarks), seconds=time.perf_counter() - began)


def _first_line(error: BaseException) -> str:
    return masked(str(error)).split("\n", maxsplit=1)[0]


class TrialContext(ABC):
    """What all trials of a fit share, and how one of them is run: each scenario has its own.

    It goes to other processes: its fields are plain records, sets of items and the readers.

    Attributes:
        readers: Features of the sources.
        probes: Whether what trains nothing is tried on every source and stage before the sampler
            proposes anything.
        keeps_all: Whether every predictor stays, not those of the best trials alone.
        most_trials: Of one strategy; None is no limit.
    """

    readers: FeatureReaders
    probes: ClassVar[bool] = True
    keeps_all: ClassVar[bool] = False
    most_trials: ClassVar[int | None] = None

    @abstractmethod
    def run(self, spec: TrialSpec) -> TrialResult:
        """Run one trial; a failure is an outcome, not an exception."""

    @abstractmethod
    def display(self, value: float) -> str:
        """Return the value of an outcome with the name of the score."""

    @property
    def num_fits(self) -> int:
        """Return how many times a trial fits."""
        return 1

    @property
    def num_steps(self) -> int:
        """Return the number of rungs at which a trial is scored."""
        return 1

    def seed_of(self, seed: int, number: int) -> int:
        """Return the seed of a trial of the fit with this seed."""
        return trial_seed(seed, number)

    def is_baseline(self, strategy: Strategy) -> bool:  # noqa: ARG002
        """Return whether a strategy is there to be compared with, and not to be improved."""
        return False

    def reading_seconds(self, strategy: Strategy, source: Source) -> float:  # noqa: ARG002
        """Return the seconds of the passes that a probe needs and no one has made yet."""
        return 0.0


def trial_seed(seed: int, number: int) -> int:
    """Return the seed of a trial, or of a probe (below zero): the same whenever it is run."""
    key = (seed, number) if number >= 0 else (seed, -number, 1)
    return int(np.random.SeedSequence(key).generate_state(1)[0] >> 1)


def best_of(outcomes: Sequence[Outcome]) -> Outcome | None:
    """Return the complete outcome with the best score; ties go to the lower log loss.

    What breaks a limit on the result is left out.
    """
    complete = [o for o in outcomes if o.state is State.COMPLETE and not o.unfit]
    if not complete:
        return None
    return max(complete, key=lambda o: (o.value or 0.0, -(o.log_loss or 0.0), -abs(o.number)))
