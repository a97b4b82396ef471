"""A target with labels: images that are searched with folds, or a validation split."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from typing_extensions import override

from autotransfer.data.holdout import Division, divide, notes_on_classes, unseen_among
from autotransfer.data.splitting import Fold
from autotransfer.errors import BudgetExhaustedError, DeadlineError, OverrunError
from autotransfer.forecasts import LabelForecast
from autotransfer.guard.guard import Decided, Guard
from autotransfer.guard.guard import Judged as GuardJudged
from autotransfer.guard.verdict import INTERRUPTED, NO_TIME, UNGUARDED, untested
from autotransfer.models.catalogue import Sources
from autotransfer.models.catalogue.leakage import without_leaks
from autotransfer.models.metrics import metric_named
from autotransfer.models.source import Source
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.report import Material
from autotransfer.results import (
    Outcome,
    ParamValue,
    Ranking,
    Record,
    ScenarioKind,
    Skipped,
    Verdict,
)
from autotransfer.scenarios.base import Candidates, Enough, Judged, Scenario, Searched
from autotransfer.scenarios.candidates import LabelledSources
from autotransfer.scenarios.class_weights import class_weights_of
from autotransfer.scenarios.clock import GUARD_SHARE
from autotransfer.scenarios.fewer_items import items_read
from autotransfer.scenarios.first_answer import first_answer
from autotransfer.scenarios.inputs import Problem, problem_of_items, within_limits
from autotransfer.scenarios.label_forecast import label_forecast
from autotransfer.scenarios.labelled_report import Ended
from autotransfer.scenarios.progress import told_by
from autotransfer.scenarios.rounds import next_round
from autotransfer.scenarios.run import Request, Run
from autotransfer.scenarios.worth import enough
from autotransfer.search.arms import Arms
from autotransfer.search.checkpoint import Checkpoint, with_rejection
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.search.driver import RunProbe
from autotransfer.search.finalists import Finalist, Finalists
from autotransfer.search.pool import beginning
from autotransfer.search.recorder import Forecast, refit_reserve
from autotransfer.search.storage import STORAGE_FILE
from autotransfer.search.study import load_studies
from autotransfer.search.warm_start import SEEN, earlier_fits, packed_digests
from autotransfer.search.watchdog import ended_at
from autotransfer.transferability.ranking import rank_sources
from autotransfer.transferability.ranking.earlier_targets import record_places
from autotransfer.transferability.ranking.forecast import forecast

LEAST_BASELINES = 20.0  # seconds; else they take no longer than the search did
COMPARING_SECONDS = 1.0  # of the guard, without other work on the machine: resampling


class Labelled(Scenario[LabelledContext, Finalist]):
    """A target with labels.

    Args:
        problem: The opened target, its sources and their features.
    """

    kind = ScenarioKind.LABELLED
    search_share = 1 - GUARD_SHARE

    def __init__(self, problem: Problem, request: Request) -> None:
        self.problem, self.request = problem, request
        self.division = self._divided()
        self.name, self.class_names = problem.target.name, problem.target.class_names
        self.metric, self.readers = request.options.metric, problem.readers
        self.items = self.division.images
        self.provenance = {"target": problem.target.train.fingerprint}
        unseen = notes_on_classes(self.division, self._folds(), problem.target.validation)
        self.notes = (*problem.target.notes, *self.division.notes, *unseen)
        self._decided: Decided | None = None  # what the guard knows, whatever ends it
        self._reduced = False  # whether there was no time to learn from all items

    @classmethod
    def open(cls, target: Any, request: Request) -> Labelled:
        """Return the scenario of a target of items.

        Raises:
            AutotransferError: If target, sources or options cannot be used.
        """
        metric_named(request.options.metric)
        problem = problem_of_items(target, request.options, request.registry)
        return cls(problem, next_round(request, len(problem.target.train)))

    @cached_property
    @override
    def sources(self) -> Sources:
        """Return the sources that know no tested item and can keep the limits on the result."""
        target = self.problem.target
        sources = without_leaks(self.problem.sources, self.division, target.validation)
        return within_limits(sources, self.readers, target.train, self.request.options)

    @property
    @override
    def identity(self) -> list[Any]:
        return [self.items.fingerprint, self.metric, self.request.options.seed]

    @property
    @override
    def parameters(self) -> dict[str, ParamValue]:
        train = self.problem.target.train
        return {"num_images": len(train), "num_classes": len(self.problem.target.class_names)}

    @override
    def rank(
        self, estimators: Sequence[str] = (), *, racing: bool = True, due: float | None = None
    ) -> tuple[Ranking, list[Skipped]]:
        options, sources = self.request.options, self.sources.sources
        items = f"{len(self.items)} {self.items.modality.plural}"
        options.say(f"ranking {len(sources)} sources on {items}")
        return rank_sources(
            sources,
            self.items,
            self.readers,
            self._ordered_sources.consensus(estimators),
            seed=options.seed,
            max_sources=options.max_sources,
            racing=racing,
            domains=self.division.domains,
            seconds=None if due is None else due - time.monotonic(),
        )

    @override
    def forecast(self, ranking: Ranking) -> str:
        return forecast(ranking, self.sources.sources, self.items)

    @override
    def label_forecast(
        self, ranking: Ranking, judged: tuple[Verdict, Sequence[Outcome]] | None = None
    ) -> LabelForecast | None:
        if self.division.by_domain:  # more of the same domains tell nothing of others
            return None
        return label_forecast(self, ranking, judged)

    @override
    def first_answer(self, run: Run) -> RunProbe:
        return first_answer(self._ordered_sources.default_probe(), self._context(), run)

    @override
    def candidates(self, ranking: Ranking, run: Run) -> Candidates:
        self._keep_affordable(ranking, run)
        return self._ordered_sources.candidates(ranking, run.clock)

    @override
    def context(self, candidates: Candidates) -> LabelledContext:
        return self._context(candidates.arms.sources, candidates.pool)

    def _context(
        self, shortlist: tuple[Source, ...] = (), pool: tuple[Source, ...] = ()
    ) -> LabelledContext:
        """Return what all trials of these sources share."""
        problem, options = self.problem, self.request.options
        parts = (self.items, self.division.held_out, problem.target.validation)
        return LabelledContext(
            self.items,
            self._folds(),
            problem.target.validation,
            self.readers,
            metric_named(self.metric),
            unseen_among(problem.source_images, parts, "source"),
            shortlist,
            problem.baselines,
            problem.baseline_source,
            class_weights_of(options, self.items),
            unseen_among(problem.unlabelled, parts, "unlabelled"),
            pool,
            self.division.by_domain,
        )

    @override
    def first_points(self, run: Run) -> Callable[[Arms], Sequence[Mapping[str, ParamValue]]]:
        """Note what this fit learns from; return the points of earlier ones, if wanted."""
        options = self.request.options
        run.study.remember(SEEN, packed_digests(self.items.digests))
        if not options.warm_start:
            return lambda _arms: ()
        studies = load_studies(storage=options.storage, workspace=run.place.workspace)
        tested = self.items if self.division.held_out is None else self.division.held_out
        found = earlier_fits(studies, tested.digests, metric=self.metric, without=run.place.name)
        options.say(found.sentence())
        return found.points

    @override
    def reserve(self, context: LabelledContext, run: Run) -> Callable[[Sequence[Outcome]], float]:
        trained = sum(len(train) for train, _ in context.divisions())
        return refit_reserve(len(self.items), trained, GUARD_SHARE * (run.clock.seconds or 0.0))

    @override
    def enough(self, candidates: Candidates, context: LabelledContext, run: Run) -> Enough:
        return enough(candidates, run, self._finalists(candidates, context, run))

    @override
    def progress_forecast(self, context: LabelledContext, run: Run) -> Forecast:
        return told_by(context, run)

    @override
    def choose(self, searched: Searched[LabelledContext], run: Run) -> Finalist:
        outcomes, sources = searched.outcomes, searched.candidates.arms.sources
        ledger = run.place.workspace / STORAGE_FILE
        record_places(ledger, self.items.fingerprint, sources, outcomes)
        finalist = self._finalists(searched.candidates, searched.context, run).choose(outcomes)
        if finalist is None:
            reasons = dict.fromkeys(o.reason for o in outcomes if o.reason)
            told = "".join(f"\n  {reason}" for reason in reasons)
            raise BudgetExhaustedError("not one trial finished within the budget" + told)
        return finalist

    @override
    def judge(
        self, finalist: Finalist, searched: Searched[LabelledContext], run: Run
    ) -> Judged[Finalist]:
        clock, judged = run.clock, None
        if run.options.guard and not clock.over:
            with suppress(DeadlineError, OverrunError), ended_at(clock.closing()):
                judged = self._tested(finalist, searched, run)
        if judged is None and self._decided is not None:
            guard = self._guard(searched, run)
            judged = _judged(guard.finished(self._decided, searched.outcomes, late=True))
        if judged is None:
            reason = INTERRUPTED if clock.stopped else NO_TIME
            verdict = untested(reason) if run.options.guard else UNGUARDED
            finalists = self._finalists(searched.candidates, searched.context, run)
            kept = finalists.train(finalist, searched.outcomes)
            judged = self._untested(finalist, kept, verdict)
        return replace(judged, kept=with_rejection(judged.kept, self.items, self.readers))

    def _untested(
        self, finalist: Finalist, kept: Checkpoint, verdict: Verdict
    ) -> Judged[Finalist]:
        """Return a finalist that nothing was compared with."""
        return Judged(verdict, kept, finalist, finalist.outcome)

    def _tested(
        self, finalist: Finalist, searched: Searched[LabelledContext], run: Run
    ) -> Judged[Finalist]:
        """Return the verdict of the guard."""
        guard = self._guard(searched, run)
        for decided in guard.decisions(finalist, searched.outcomes):
            self._decided = decided
        assert self._decided is not None
        return _judged(guard.finished(self._decided, searched.outcomes))

    def _guard(self, searched: Searched[LabelledContext], run: Run) -> Guard:
        return Guard(
            self._finalists(searched.candidates, searched.context, run),
            self.division,
            self.sources.sources[0],
            searched.ranking,
            self.name,
            run.clock.closing(COMPARING_SECONDS),
            tuple
            if self._reduced
            else partial(self._ordered_sources.nested, searched.ranking, searched.context.folds),
            run.options.margin,
            run.clock.deadline(1),
            max(sum(run.clock.parts.values()), LEAST_BASELINES),
        )

    @override
    def material(
        self, searched: Searched[LabelledContext], judged: Judged[Finalist], run: Run
    ) -> Callable[[Record], Material]:
        return Ended(
            self._finalists(searched.candidates, searched.context, run),
            self.division,
            judged.finalist,
            searched.outcomes,
            judged.kept,
            self.problem.readable,
        ).material

    def _keep_affordable(self, ranking: Ranking, run: Run) -> None:
        """Learn from fewer items where there is no time to read all of them with one source."""
        target = self.problem.target
        parts = [self.items, *([] if target.validation is None else [target.validation])]
        (best,) = self._ordered_sources.named(ranking.shortlist[:1])
        out_of_fold = self.division.held_out is None
        kept = items_read(parts, lambda: self.readers[best], run, out_of_fold=out_of_fold)
        if kept == [len(part) for part in parts]:
            return
        self._reduced = True
        chosen = [
            beginning(p, n, self.request.options.seed) for p, n in zip(parts, kept, strict=True)
        ]
        self.division = self.division.among(chosen[0])
        self.items = self.division.images
        if target.validation is not None:
            fewer = replace(target, validation=target.validation.subset(chosen[1]))
            self.problem = replace(self.problem, target=fewer)

    def _divided(self) -> Division:
        """Return who is held out for the guard."""
        return divide(self.problem.target, readable=self.problem.readable)

    def _folds(self) -> tuple[Fold, ...]:
        """Return the folds of the search."""
        return self.division.folds(self.request.options.seed)

    def _further_scores(self) -> Sequence[TransferabilityEstimator]:
        """Return scores of the ranking beside the default ones."""
        return ()

    @property
    def _ordered_sources(self) -> LabelledSources:
        return LabelledSources(
            self.problem, self.division, self.sources, self.request, self._further_scores()
        )

    def _finalists(self, candidates: Candidates, context: LabelledContext, run: Run) -> Finalists:
        """Return what chooses and trains; what limits an answer's cost leaves out ensembles."""
        options = self.request.options
        limited = options.max_mb is not None or options.max_ms is not None
        return Finalists(
            arms=candidates.arms,
            context=context,
            place=run.place,
            registry=self.request.registry,
            deadline=run.clock.deadline(1 - GUARD_SHARE / 2),
            end=run.clock.closing(),
            seed=options.seed,
            refit=options.refit,
            combine=options.ensemble and not options.single and not limited,
            say=options.say,
        )


def _judged(found: GuardJudged) -> Judged[Finalist]:
    last = found.finalist
    return Judged(found.verdict, found.kept, last, last.outcome, challenger=found.challenger)
