"""Zero-shot: some classes have no images; a row of attributes tells each of them apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from typing_extensions import override

from autotransfer.data.attributes import Attributes
from autotransfer.data.holdout import Division
from autotransfer.data.splitting import NO_PAIRS, Fold
from autotransfer.errors import InvalidOptionError
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.report import Material
from autotransfer.results import Outcome, Ranking, Record, ScenarioKind, State, Verdict
from autotransfer.scenarios.base import Candidates, Judged, Searched
from autotransfer.scenarios.labelled import COMPARING_SECONDS, Labelled
from autotransfer.scenarios.options import Options
from autotransfer.scenarios.run import Request, Run
from autotransfer.scenarios.zero_shot.class_folds import class_folds
from autotransfer.scenarios.zero_shot.guard import guard_zero_shot, uncalibrated
from autotransfer.scenarios.zero_shot.held_out_classes import HeldOutClasses
from autotransfer.scenarios.zero_shot.inputs import problem_of_descriptions
from autotransfer.scenarios.zero_shot.refits import Point
from autotransfer.scenarios.zero_shot.trials import ZeroShotContext
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.search.finalists import Finalist

PER_CLASS = "balanced_accuracy"  # per-class top-1
METRICS = ("accuracy", PER_CLASS)
COMPETITORS = 4  # trials beside the finalist that the null takes the best of


class ZeroShot(Labelled):
    """A target of which some classes have images and all have attributes."""

    kind = ScenarioKind.ZERO_SHOT

    @classmethod
    @override
    def open(cls, target: Any, request: Request) -> ZeroShot:
        options = _adapted(request.options)
        request = replace(request, options=options)
        return cls(problem_of_descriptions(target, options, request.registry), request)

    @property
    def table(self) -> Attributes:
        """Return the rows of all classes, those with images first."""
        table = self.problem.attributes
        assert table is not None
        return table

    @property
    @override
    def identity(self) -> list[Any]:
        table = self.table
        digest = hashlib.sha256("\n".join((*table.class_names, *table.names)).encode())
        digest.update(table.values.tobytes())
        return [*super().identity, digest.hexdigest()]

    @override
    def forecast(self, ranking: Ranking) -> str:
        return ""

    @override
    def context(self, candidates: Candidates) -> ZeroShotContext:
        """Return what all trials share; classes are held out in each fold, not images."""
        shared = super().context(candidates)
        held = {part.name: getattr(shared, part.name) for part in fields(LabelledContext)}
        return ZeroShotContext(**held, table=self.table)

    @override
    def material(
        self, searched: Searched[LabelledContext], judged: Judged[Finalist], run: Run
    ) -> Callable[[Record], Material]:
        seen = {"training images": self.items, "held-out images": self.division.held_out}
        return lambda record: Material(record, images={k: v for k, v in seen.items() if v})

    @override
    def _divided(self) -> Division:
        """Return the images of seen classes; only a test split of the user's is held out."""
        target, nobody, classes = self.problem.target, np.zeros(0, np.int64), np.zeros(0, np.int64)
        if target.held_out is not None:
            nobody = np.zeros(len(target.held_out), np.int64)
            classes = np.unique(target.held_out.labels)
        return Division(
            target.train, target.held_out, target.groups, NO_PAIRS, nobody, (), classes
        )

    @override
    def _folds(self) -> tuple[Fold, ...]:
        labels, seed = self.items.labels, self.request.options.seed
        return class_folds(labels, len(self.table.unseen), seed=seed)

    @override
    def _further_scores(self) -> Sequence[TransferabilityEstimator]:
        return (HeldOutClasses(self.table),)

    @override
    def _tested(
        self, finalist: Finalist, searched: Searched[LabelledContext], run: Run
    ) -> Judged[Finalist]:
        """Return the verdict, tested beside the trials that the finalist competed with."""
        context, outcome = searched.context, finalist.outcome
        assert isinstance(context, ZeroShotContext)

        def point(outcome: Outcome) -> Point:
            source = searched.candidates.arms.source(outcome.source)
            strategy = self.request.registry.strategy(outcome.strategy)
            seed = context.seed_of(run.options.seed, outcome.number)
            return Point(context, source, strategy, dict(outcome.params), seed)

        complete = [o for o in searched.outcomes if o.state is State.COMPLETE]
        others = [o for o in complete if o.number != outcome.number]
        others.sort(key=lambda other: -(other.value or 0.0))
        verdict, kept, zero_shot = guard_zero_shot(
            self._finalists(searched.candidates, context, run).train(finalist, searched.outcomes),
            point(outcome),
            [point(other) for other in others[:COMPETITORS]],
            self.division.held_out,
            value=outcome.value or 0.0,
            seed=run.options.seed,
            deadline=run.clock.closing(COMPARING_SECONDS),
            say=run.options.say,
        )
        return Judged(verdict, kept, finalist, outcome, zero_shot=zero_shot)

    @override
    def _untested(
        self, finalist: Finalist, kept: Checkpoint, verdict: Verdict
    ) -> Judged[Finalist]:
        """Return a finalist that nothing was compared with: its scores are not calibrated."""
        untested = super()._untested(finalist, kept, verdict)
        return replace(untested, zero_shot=uncalibrated(self.table))


def _adapted(options: Options) -> Options:
    """Return the options of this scenario: per-class top-1, and no ensemble.

    Raises:
        InvalidOptionError: If the metric cannot be used.
    """
    if options.metric not in METRICS:
        raise InvalidOptionError(
            f"--metric {options.metric}: with --attributes the metric is per-class top-1 "
            f"({PER_CLASS}); leave --metric out"
        )
    return replace(options, metric=PER_CLASS, ensemble=False)
