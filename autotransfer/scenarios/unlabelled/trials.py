"""One trial without target labels: a fit, and what the validators say of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from autotransfer.data.blending import blended
from autotransfer.data.image_set import ImageSet
from autotransfer.models.features import FeatureReaders, Features
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.source import Source
from autotransfer.plugin.strategy import Strategy, Task, Trial
from autotransfer.results import Outcome, ScenarioKind
from autotransfer.scenarios.unlabelled.arms import reads_target
from autotransfer.scenarios.unlabelled.class_shares import rows_by_shares
from autotransfer.scenarios.unlabelled.consensus import label_free_score
from autotransfer.scenarios.unlabelled.holdout import Part
from autotransfer.scenarios.unlabelled.inputs import UnlabelledProblem
from autotransfer.scenarios.unlabelled.intermediate_domains import DomainPath
from autotransfer.scenarios.unlabelled.validators import Evidence, Mixed, validate
from autotransfer.scenarios.unlabelled.validators.certainty import reason_against
from autotransfer.scenarios.unlabelled.validators.mixval import SHARE
from autotransfer.search.run_folder import RunFolder
from autotransfer.search.trial import TrialContext, TrialResult, TrialSpec, attempted, trial_seed
from autotransfer.transferability.ranking.race_rounds import affordable

METRIC = "label-free"  # what trials are compared by; it is no accuracy
NUM_BLENDS = 300


@dataclass(frozen=True)
class UnlabelledContext(TrialContext):
    """What all trials share: the same images, the same blends, the same path between domains.

    Args:
        target: The target images; no label of theirs is read.
        class_names: The K classes, those of the source images.
        class_shares: (K,) of the target, where classes seem to be absent; what adapts learns from
            source images with these shares.
        judging: (n,) whether a held-out target image is read by validators; None where all are.
    """

    source: Part
    target: Part
    class_names: tuple[str, ...]
    readers: FeatureReaders
    shortlist: tuple[Source, ...]
    seed: int
    domain_path: DomainPath = field(default_factory=DomainPath)
    class_shares: tuple[float, ...] | None = None
    judging: tuple[bool, ...] | None = None

    probes = False  # of each method the validators compare a few trials, of one seed
    keeps_all = True  # without labels any of them may be returned
    most_trials = 20  # scores that hardly know the truth pick worse from more trials

    @override
    def run(self, spec: TrialSpec) -> TrialResult:
        predictor: Predictor | None = None
        answers: NDArray[np.float64] | None = None

        def work(outcome: Outcome) -> Outcome:
            nonlocal predictor, answers
            trial = Trial(spec.params, _unscored, spec.deadline, spec.seed)
            fitted = spec.strategy.fit(self.task(spec.source, spec.strategy), trial)
            said = fitted.predict(self.target.held_out, self.readers[spec.source])
            evidence = self.evidence(fitted, spec.source, said)
            scores, fault = validate(evidence), reason_against(evidence)
            optimised, num_classes = spec.strategy.optimises, len(self.class_names)
            predictor, answers = fitted, said
            return replace(
                outcome,
                value=label_free_score(scores, optimised, num_classes, fault=bool(fault)),
                layers=fitted.layers,
                reason=fault,
                validators=scores,
            )

        outcome = attempted(spec, work, self.readers.device)
        through = self.domain_path.names if spec.strategy.uses_intermediate else ()
        return TrialResult(replace(outcome, through=through), predictor, answers)

    @override
    def display(self, value: float) -> str:
        return f"{METRIC} {value:.3f}"

    @override
    def seed_of(self, seed: int, number: int) -> int:
        """Return one seed for all: methods are compared from the same start and order."""
        return trial_seed(seed, 0)

    @override
    def is_baseline(self, strategy: Strategy) -> bool:
        return not reads_target(strategy)

    def task(self, source: Source, strategy: Strategy) -> Task:
        """Return what a strategy may see; no target label is in it."""
        readers, shares = self.readers, self.class_shares if reads_target(strategy) else None
        return Task(
            source=source,
            scenario=ScenarioKind.UNLABELLED,
            class_names=self.class_names,
            train=self._by_shares if shares else self.source.learn,
            features=readers[source],
            device=readers.device,
            load_backbone=lambda: readers.load(source).to(readers.device),
            unlabelled=self.target.learn,
            source_images=self.source.learn,
            through=self.domain_path.images,
            companions=tuple(other for other in self.shortlist if other.name != source.name),
            class_shares=shares,
        )

    @cached_property
    def _by_shares(self) -> ImageSet:
        """Return the source images with the class shares of the target."""
        learn, shares = self.source.learn, np.array(self.class_shares)
        return learn.subset(rows_by_shares(learn.labels, shares, seed=self.seed))

    @cached_property
    def _judges(self) -> NDArray[np.int64]:
        """Return the positions of the held-out target images that validators read."""
        every = np.arange(len(self.target.held_out))
        return every if self.judging is None else np.flatnonzero(self.judging)

    @cached_property
    def judged_on(self) -> ImageSet:
        """Return the held-out target images that validators read."""
        held_out = self.target.held_out
        return held_out if self.judging is None else held_out.subset(self._judges)

    @cached_property
    def pairs(self) -> NDArray[np.int64]:
        """Return the (2, r) positions among `judged_on` of the images that are blended."""
        n = len(self.judged_on)
        generator = np.random.default_rng(self.seed)
        first = generator.permutation(n)[:NUM_BLENDS]
        second = (first + generator.integers(1, max(n, 2), len(first))) % n
        return np.stack([first, second])

    @cached_property
    def blends(self) -> ImageSet | None:
        """Return the blended items, the same for every trial; None where nothing blends them."""
        return blended(self.judged_on, self.pairs, SHARE)

    def evidence(
        self, predictor: Predictor, source: Source, said: NDArray[np.float64]
    ) -> Evidence:
        """Return what a predictor says of the held-out items that judge.

        Args:
            predictor: The predictor.
            source: The one that it reads.
            said: (n, K) what it says of all held-out target items.
        """
        target, held_out = self.judged_on, self.source.held_out
        reader, blends = self.readers[source], self.blends
        mixed = None
        if blends is not None:
            mixed = Mixed(self.pairs[0], self.pairs[1], predictor.predict(blends, reader))
        return Evidence(
            target=said[self._judges],
            target_features=predictor.embed(target, reader),
            source=predictor.predict(held_out, reader),
            source_features=predictor.embed(held_out, reader),
            source_labels=held_out.labels,
            mixed=mixed,
            seed=self.seed,
            frozen=np.asarray(reader(target), np.float64),
            class_shares=None if self.class_shares is None else np.array(self.class_shares),
        )


def affordable_share(
    problem: UnlabelledProblem, reader: Features, deadline: float | None
) -> float:
    """Return the share of all images, blends included, that a source can read by a deadline."""
    source, target = problem.source, problem.target
    parts = [source.learn, source.held_out, target.learn]
    if target.apart:
        parts.append(target.held_out)
    missing = sum(reader.missing(part) for part in parts) + min(len(target.held_out), NUM_BLENDS)
    if deadline is None:
        return 1.0
    return min(
        affordable(reader.pace, missing, deadline - time.monotonic(), least=0) / missing, 1.0
    )


def answers_of(outcome: Outcome, place: RunFolder) -> NDArray[np.int64]:
    """Return the (n,) class of each held-out target image that a trial has named."""
    answers: NDArray[np.int64] = place.validations([outcome])[outcome.number].argmax(axis=1)
    return answers


def _unscored(_progress: float, _predictor: Predictor, /) -> None:
    """Score nothing at the rungs: half-trained predictors tell little without labels."""
