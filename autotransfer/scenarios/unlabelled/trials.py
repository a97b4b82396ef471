"""One trial without target labels: a fit, and what the validators say of it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import optuna
import torch
from numpy.typing import NDArray
from PIL import Image

from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import open_images
from autotransfer.errors import DeadlineError
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.source import Source
from autotransfer.plugin.strategy import Strategy, Task, Trial
from autotransfer.results import Outcome, ParamValue, Setting, State
from autotransfer.scenarios.unlabelled.consensus import label_free_score
from autotransfer.scenarios.unlabelled.inputs import UnlabelledProblem
from autotransfer.scenarios.unlabelled.intermediate_domains import Route
from autotransfer.scenarios.unlabelled.validators import Evidence, Mixed, validate
from autotransfer.scenarios.unlabelled.validators.diversity import reason_against
from autotransfer.scenarios.unlabelled.validators.mixval import SHARE

NUM_BLENDS = 300


@dataclass(frozen=True)
class Point:
    """What to run.

    Args:
        number: Number of the trial.
        source: The source.
        strategy: The strategy.
        params: Its parameters.
        seed: Seeds everything random.
        deadline: `time.monotonic()` of its end; None is no limit.
    """

    number: int
    source: Source
    strategy: Strategy
    params: Mapping[str, ParamValue]
    seed: int
    deadline: float | None


@dataclass(frozen=True)
class Result:
    """The outcome, and what is left of a trial that is complete.

    Args:
        outcome: How it ended, with its label-free scores.
        predictor: What was trained.
        target: (n, K) probabilities of the held-out target pictures.
    """

    outcome: Outcome
    predictor: Predictor | None = None
    target: NDArray[np.float64] | None = None


@dataclass
class Arena:
    """What all trials share: the same pictures, the same blends, the same way between domains."""

    problem: UnlabelledProblem
    shortlist: tuple[Source, ...]
    seed: int
    route: Route = field(default_factory=Route)

    def task(self, source: Source) -> Task:
        """Return what a strategy may see; no target label is in it."""
        readers = self.problem.readers
        return Task(
            source=source,
            setting=Setting.UNLABELLED,
            class_names=self.problem.class_names,
            train=self.problem.source.learn,
            features=readers[source],
            device=readers.device,
            load_backbone=lambda: readers.load(source).to(readers.device),
            unlabelled=self.problem.target.learn,
            source_images=self.problem.source.learn,
            through=self.route.images,
            companions=tuple(other for other in self.shortlist if other.name != source.name),
        )

    @cached_property
    def pairs(self) -> NDArray[np.int64]:
        """Return the (2, r) positions of the held-out target pictures that are blended."""
        n = len(self.problem.target.held_out)
        generator = np.random.default_rng(self.seed)
        first = generator.permutation(n)[:NUM_BLENDS]
        second = (first + generator.integers(1, max(n, 2), len(first))) % n
        return np.stack([first, second])

    @cached_property
    def blends(self) -> ImageSet:
        """Return the blended pictures, the same for every trial."""
        held_out = self.problem.target.held_out
        return open_images([_blend(held_out, a, b) for a, b in self.pairs.T])

    def evidence(self, predictor: Predictor, source: Source) -> Evidence:
        """Return what a predictor says of all held-out pictures."""
        target, held_out = self.problem.target.held_out, self.problem.source.held_out
        reader = self.problem.readers[source]
        return Evidence(
            target=predictor.predict(target, reader),
            target_features=predictor.embed(target, reader),
            source=predictor.predict(held_out, reader),
            source_features=predictor.embed(held_out, reader),
            source_labels=held_out.labels,
            mixed=Mixed(self.pairs[0], self.pairs[1], predictor.predict(self.blends, reader)),
            seed=self.seed,
        )


def run_without_labels(point: Point, arena: Arena) -> Result:
    """Fit the arm once; a failure is an outcome, not an exception."""
    began = time.perf_counter()
    blank = Outcome(
        point.number,
        point.source.name,
        point.strategy.name,
        dict(point.params),
        State.COMPLETE,
        adaptation=point.source.adaptation,
        through=arena.route.names if point.strategy.goes_through else (),
    )
    try:
        result = _fitted(point, arena, blank)
    except (optuna.TrialPruned, DeadlineError) as stop:
        result = Result(replace(blank, state=State.PRUNED, reason=str(stop).split("\n")[0]))
    except KeyboardInterrupt:
        raise
    except Exception as error:  # noqa: BLE001 - a third party's code
        result = Result(
            replace(
                blank,
                state=State.FAILED,
                reason=f"{type(error).__name__}: {str(error).split(chr(10))[0]}",
                error=traceback.format_exc(),
            )
        )
    if arena.problem.readers.device.type == "cuda":
        torch.cuda.empty_cache()
    seconds = time.perf_counter() - began
    return replace(result, outcome=replace(result.outcome, seconds=seconds))


def _fitted(point: Point, arena: Arena, blank: Outcome) -> Result:
    trial = Trial(point.params, _unscored, point.deadline, point.seed)
    predictor = point.strategy.fit(arena.task(point.source), trial)
    evidence = arena.evidence(predictor, point.source)
    scores, fault = validate(evidence), reason_against(evidence)
    outcome = replace(
        blank,
        value=label_free_score(
            scores, point.strategy.optimises, len(arena.problem.class_names), fault=bool(fault)
        ),
        layers=predictor.layers,
        reason=fault,
        validators=scores,
    )
    return Result(outcome, predictor, evidence.target)


def _unscored(_progress: float, _predictor: Predictor, /) -> None:
    """Score nothing at the rungs: half-trained predictors tell little without labels."""


def _blend(images: ImageSet, first: int, second: int) -> Image.Image:
    one = images[first].convert("RGB")
    return Image.blend(images[second].convert("RGB").resize(one.size), one, SHARE)
