"""A trial with labels: fitted on every fold, and scored on what the fold holds out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import optuna
from numpy.typing import NDArray
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.splitting import Fold
from autotransfer.models.features import NO_FEATURES, FeatureReaders
from autotransfer.models.metrics import Metric
from autotransfer.models.predictors.base import FeatureReader, Predictor
from autotransfer.models.predictors.baselines import OF_IMAGES
from autotransfer.models.scoring import Score, evaluate, mean_over_folds
from autotransfer.models.source import Source
from autotransfer.models.training import RUNGS
from autotransfer.plugin.need import Need
from autotransfer.plugin.strategy import Strategy, Task, Trial
from autotransfer.results import Outcome, ScenarioKind, State
from autotransfer.search.pruning import RUNGS_PER_FOLD, calibrated_losses, clearly_worse, step_of
from autotransfer.search.trial import TrialContext, TrialResult, TrialSpec, attempted

_LAST_RUNG = RUNGS_PER_FOLD - 1
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class LabelledContext(TrialContext):
    """What all trials of a fit share: the same items, the same folds, the same score.

    `shortlist` are the sources of the search, `pool` all whose features are at hand.
    """

    images: ImageSet
    folds: tuple[Fold, ...]
    validation: ImageSet | None
    readers: FeatureReaders
    metric: Metric
    source_images: ImageSet | None = None
    shortlist: tuple[Source, ...] = ()
    baselines: tuple[str, ...] = OF_IMAGES
    baseline_source: Source | None = None
    class_weights: NDArray[np.float64] | None = None
    unlabelled: ImageSet | None = None
    pool: tuple[Source, ...] = ()
    by_domain: bool = False  # whether each fold leaves a domain out, all weighing the same

    def seen_by(self, strategy: Strategy) -> LabelledContext:
        """Return what a strategy sees: the obvious ones every source, others the shortlist."""
        return replace(self, shortlist=self.pool) if strategy.obvious else self

    @property
    @override
    def num_steps(self) -> int:
        return RUNGS_PER_FOLD * max(len(self.folds), 1)

    @property
    @override
    def num_fits(self) -> int:
        return len(self.divisions())

    @override
    def run(self, spec: TrialSpec) -> TrialResult:
        return run_trial(spec, self)

    @override
    def display(self, value: float) -> str:
        return f"{self.metric.name} {self.metric.display(value):.3f}"

    @override
    def reading_seconds(self, strategy: Strategy, source: Source) -> float:
        together = Need.COMPANIONS in strategy.needs
        seen = self.seen_by(strategy).shortlist if together else ()
        parts = [self.images] if self.validation is None else [self.images, self.validation]
        seconds = 0.0
        for read in [source, *(other for other in seen if other != source)]:
            reader = self.readers[read]
            pace = reader.pace or self.readers.mean_pace or 0.0
            seconds += pace * sum(reader.missing(part) for part in parts)
        return seconds

    def divisions(self) -> list[tuple[ImageSet, ImageSet]]:
        """Return (train, validation) of every fold; the user's own validation is one fold."""
        if self.validation is not None:
            return [(self.images, self.validation)]
        return [
            (self.images.subset(fold.train), self.images.subset(fold.validation))
            for fold in self.folds
        ]

    @property
    def validation_labels(self) -> NDArray[np.int64]:
        """Return the labels of the validation items of all folds, in order."""
        return np.concatenate([held_out.labels for _, held_out in self.divisions()])

    def reader_of(self, source: Source | None) -> FeatureReader:
        """Return the features of a source; of none, a reader that refuses to read."""
        return NO_FEATURES if source is None else self.readers[source]

    def score(self, predictor: Predictor, validation: ImageSet, source: Source) -> Score:
        """Return the score of a predictor on the validation items of a fold."""
        return evaluate(
            predictor,
            validation,
            self.readers[source],
            metric=self.metric,
            num_classes=len(self.images.class_names),
            class_weights=self.class_weights,
        )

    @property
    def same_classes(self) -> bool:
        """Return whether every fold learns the classes that it is tested on."""
        return True

    def task(self, source: Source, train: ImageSet) -> Task:
        """Return what a strategy may see."""
        return Task(
            source=source,
            scenario=ScenarioKind.LABELLED,
            class_names=self.images.class_names,
            train=train,
            features=self.readers[source],
            device=self.readers.device,
            load_backbone=lambda: self.readers.load(source).to(self.readers.device),
            unlabelled=self.unlabelled,
            source_images=self.source_images,
            companions=tuple(other for other in self.shortlist if other.name != source.name),
        )


@dataclass
class _Progress:
    """What a running trial has shown so far."""

    rungs: list[tuple[int, float]] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    losses: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    first: Predictor | None = None
    by_domain: bool = False

    def mean(self, of: Callable[[Score], float]) -> float:
        """Return the mean over the folds that are scored."""
        sizes = [1 if self.by_domain else len(score.probabilities) for score in self.scores]
        return mean_over_folds([of(score) for score in self.scores], sizes)


def run_trial(spec: TrialSpec, context: LabelledContext) -> TrialResult:
    """Fit the arm once on every fold; a failure is an outcome, not an exception."""
    context = context.seen_by(spec.strategy)
    context.readers.focus(spec.source)
    progress = _Progress(by_domain=context.by_domain)

    def work(outcome: Outcome) -> Outcome:
        _run_folds(spec, context, progress)
        assert progress.first is not None
        return replace(
            outcome,
            value=progress.mean(lambda score: score.value),
            log_loss=progress.mean(lambda score: score.log_loss),
            layers=progress.first.layers,
        )

    outcome = replace(
        attempted(spec, work, context.readers.device),
        fold_values=tuple(score.value for score in progress.scores),
        rungs=tuple(progress.rungs),
    )
    validation = None
    if outcome.state is State.COMPLETE:
        validation = np.concatenate([score.probabilities for score in progress.scores])
    return TrialResult(outcome, progress.first, validation, progress.losses)


def _run_folds(spec: TrialSpec, context: LabelledContext, progress: _Progress) -> None:
    for fold, (train, validation) in enumerate(context.divisions()):
        reporter = _Reporter(spec, context, validation, fold, progress)
        task = context.task(spec.source, train)
        predictor = spec.strategy.fit(task, Trial(spec.params, reporter, spec.deadline, spec.seed))
        if progress.first is None:
            progress.first = predictor
        progress.scores.append(reporter.score(predictor, _LAST_RUNG))


@dataclass
class _Reporter:
    """Scores what a strategy shows at the rungs of one fold, and stops what is too weak."""

    spec: TrialSpec
    context: LabelledContext
    validation: ImageSet
    fold: int
    progress: _Progress
    passed: int = 0

    def __call__(self, progress: float, predictor: Predictor, /) -> None:
        """Score at the first rung that was not passed yet; see `Report`."""
        reached = sum(progress >= rung - _TOLERANCE for rung in RUNGS)
        if progress >= 1 or reached <= self.passed:
            return  # the core scores what is returned in any case
        self.passed = reached
        self.score(predictor, reached - 1)

    def score(self, predictor: Predictor, rung: int) -> Score:
        """Return the score and note it; raises `TrialPruned` where it is clearly behind."""
        score = self.context.score(predictor, self.validation, self.spec.source)
        step = step_of(self.fold, rung)
        self.progress.rungs.append((step, score.value))
        losses = calibrated_losses(self.validation.labels, score.probabilities)
        self.progress.losses[step] = losses
        rival = self.spec.rivals[step] if step < len(self.spec.rivals) else None
        last = step == self.context.num_steps - 1
        if rival is not None and not last and clearly_worse(losses, rival):
            raise optuna.TrialPruned(
                f"a calibrated log loss of {losses.mean():.3g} at step {step}; the best half of "
                f"this strategy had {rival.mean():.3g} or less on the same items"
            )
        return score
