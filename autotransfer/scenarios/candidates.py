"""Which sources a fit with target labels may use, in which order, and what competes on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from autotransfer.data.holdout import Division
from autotransfer.data.image_set import ImageSet
from autotransfer.data.splitting import Fold
from autotransfer.models.catalogue import Sources
from autotransfer.models.source import Source
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.plugin.need import Need
from autotransfer.plugin.strategy import Strategy, TaskInfo
from autotransfer.results import Ranking, Skipped
from autotransfer.scenarios.base import Candidates
from autotransfer.scenarios.clock import HELD_OUT_SHARE, POOL_SHARE, Clock
from autotransfer.scenarios.inputs import Problem
from autotransfer.scenarios.run import Request
from autotransfer.search.arms import Terms, arms_of
from autotransfer.search.deployment_limits import ResultLimits
from autotransfer.search.obvious import last_resort, obvious_points
from autotransfer.search.pool import (
    OBVIOUS,
    TimeLeft,
    best_subset,
    fits,
    read_all,
)
from autotransfer.search.probes import ProbePoint
from autotransfer.search.storage import STORAGE_FILE
from autotransfer.transferability.ranking import (
    DEFAULT_ESTIMATORS,
    Consensus,
    nested_shortlists,
)
from autotransfer.transferability.ranking.earlier_targets import mean_places
from autotransfer.transferability.scores.ridge_loo import MAXIMUM_SCORES


@dataclass(frozen=True)
class LabelledSources:
    """The sources of a fit, what orders them, and what is tried on them.

    Args:
        division: Its open items, and those that are held out.
    """

    problem: Problem
    division: Division
    sources: Sources
    request: Request
    further_scores: Sequence[TransferabilityEstimator] = ()

    def consensus(self, names: Sequence[str] = ()) -> Consensus:
        """Return what the order rests on; scores that the user names stand alone."""
        ledger = Path(self.request.options.workspace or ".") / STORAGE_FILE
        memory = mean_places(ledger, without=self.division.images.fingerprint)
        scores = [self.request.registry.estimator(name) for name in names or DEFAULT_ESTIMATORS]
        if not names:
            scores += self.further_scores
        return Consensus(scores, memory, with_prior=not names)

    def nested(self, ranking: Ranking, folds: Sequence[Fold]) -> tuple[tuple[str, ...], ...]:
        """Return the shortlist without each fold; nothing where all sources are on it anyway."""
        if len(ranking.rows) <= len(ranking.shortlist):
            return ()
        return nested_shortlists(
            self.named(row.source for row in ranking.rows),
            self.division.images,
            folds,
            self.problem.readers,
            self.consensus(),
            seed=self.request.options.seed,
            shown=min(row.num_images for row in ranking.rows),
            max_sources=self.request.options.max_sources,
            domains=self.division.domains,
        )

    def default_probe(self) -> ProbePoint | None:
        """Return the first of the obvious; None where it reads more than the default source."""
        default = self.sources.sources[0]
        beside = {Need.COMPANIONS, Need.DESCRIPTIONS}
        for point in self._obvious((default,), self.sources.sources)[:1]:
            return None if beside & point.strategy.needs else point
        return None

    def candidates(self, ranking: Ranking, clock: Clock) -> Candidates:
        """Return what competes, the features of the sources read as far as time allows.

        Raises:
            NoCandidateError: If nothing does.
        """
        strategies = self._strategies()
        everything, pool, unread = (
            self._alone(ranking, clock),
            tuple[Source, ...](),
            list[Skipped](),
        )
        if self._puts_together(strategies):
            everything, unread = self._at_hand(ranking, clock)
            pool = self._within_limits(everything)
        obvious = self._obvious(everything, pool)
        terms = self._terms(obvious=bool(obvious))
        shortlist = self.named(ranking.shortlist)
        arms, unfit = arms_of(shortlist, strategies, self.request.preset, terms)
        unlisted = [
            Skipped(r.source, "*", f"rank {r.rank} of {len(ranking.rows)}: not in the shortlist")
            for r in ranking.rows
            if r.source not in ranking.shortlist
        ]
        skipped = (*unlisted, *unread, *unfit)
        if self._too_many:
            reason = f"more than {MAXIMUM_SCORES} scores of items and classes for each source"
            skipped = (*skipped, Skipped("*", OBVIOUS, reason))
        arms = replace(arms, others=everything)
        resort = last_resort(
            self.request.registry.strategies.values(),
            self._task([*everything, *shortlist][0]),
            arms.spaces,
        )
        mixed = any(Need.COMPANIONS in point.strategy.needs for point in obvious)
        further = self.request.options.keep_searching or not mixed  # they never gained over one
        return Candidates(arms, obvious, resort, pool, skipped, further)

    def _strategies(self) -> list[Strategy]:
        """Return the strategies of the search."""
        names = self.request.strategies_for(self.problem.scenario)
        found = [s for s in map(self.request.registry.strategy, names) if not s.obvious]
        if self.request.options.single:
            found = [s for s in found if Need.COMPANIONS not in s.needs]
        if self._describer_key:
            return found
        named = self.request.options.strategies  # of what only descriptions allow, these are told
        return [s for s in found if Need.DESCRIPTIONS not in s.needs or s.name in named]

    @property
    def _describer_key(self) -> str:
        table = self.problem.attributes
        return "" if table is None else table.describer_key

    def _puts_together(self, strategies: Sequence[Strategy]) -> bool:
        """Return whether anything that competes reads several sources."""
        sources = self.sources.sources
        obvious = (point.strategy for point in self._obvious(sources, sources))
        return any(Need.COMPANIONS in strategy.needs for strategy in (*strategies, *obvious))

    def _alone(self, ranking: Ranking, clock: Clock) -> tuple[Source, ...]:
        """Return the source to probe by itself, which is the default one if it can be read."""
        default, due = self.sources.sources[0], clock.deadline(POOL_SHARE)
        ranked = default.name in {row.source for row in ranking.rows}
        if ranked and fits(self._parts, self.problem.readers[default], due):
            return (default,)
        return tuple(self.named(ranking.shortlist[:1]))

    @property
    def _parts(self) -> list[ImageSet]:
        """Return the items that the search reads."""
        validation = self.problem.target.validation
        return [self.division.images, *([] if validation is None else [validation])]

    def _at_hand(self, ranking: Ranking, clock: Clock) -> tuple[tuple[Source, ...], list[Skipped]]:
        """Return the sources whose features are at hand, the default one first, then by rank.

        Those that there was no time to rank come last: they can still be put together.
        """
        default = self.sources.sources[0].name
        ranked = [*ranking.shortlist, *(row.source for row in ranking.rows)]
        order = dict.fromkeys([default, *ranked, *(s.name for s in self.sources.sources)])
        return read_all(
            self.named(order),
            {ranking.shortlist[0]},
            self._parts,
            self.division.held_out,
            self.problem.readers,
            time_left=TimeLeft(
                clock.deadline(POOL_SHARE), (clock.seconds or 0.0) * HELD_OUT_SHARE
            ),
        )

    def _within_limits(self, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        """Return the sources that one answer may read together."""
        options, readers, images = self.request.options, self.problem.readers, self.division.images
        limits = ResultLimits(options.max_mb, options.max_ms, readers, images)
        return sources if limits.none else best_subset(sources, images, readers, limits)

    def _obvious(
        self, everything: Sequence[Source], pool: Sequence[Source]
    ) -> tuple[ProbePoint, ...]:
        """Return what is tried first; one source has nothing to be put together with."""
        if not everything:
            return ()
        options = self.request.options
        points = obvious_points(
            self.request.registry.strategies.values(),
            self._task(everything[0]),
            named=options.strategies,
            single=options.single or len(pool) < 2 or self._too_many,
        )
        return tuple(
            replace(point, source=read)
            for point in points
            if (read := self._read_by(point, everything, pool)) is not None
        )

    def _read_by(
        self, point: ProbePoint, everything: Sequence[Source], pool: Sequence[Source]
    ) -> Source | None:
        """Return the source of something obvious; None where it is not at hand."""
        if Need.COMPANIONS in point.strategy.needs:
            return pool[0]
        if Need.DESCRIPTIONS in point.strategy.needs:
            key = self._describer_key
            return next((source for source in everything if source.fingerprint == key), None)
        return point.source

    def _task(self, source: Source) -> TaskInfo:
        images = self.division.images
        return TaskInfo(
            source,
            self.problem.scenario,
            len(images),
            len(images.class_names),
            describer_key=self._describer_key,
        )

    @property
    def _too_many(self) -> bool:
        """Return whether a score for each item and class is too much to hold for every source."""
        images = self.division.images
        return len(images) * len(images.class_names) > MAXIMUM_SCORES

    def _terms(self, *, obvious: bool) -> Terms:
        problem, images = self.problem, self.division.images
        counts = np.bincount(images.labels, minlength=len(images.class_names))
        return Terms(
            num_images=len(images),
            num_classes=len(counts),
            per_class=float(np.median(counts)),
            source_images=problem.source_images is not None,
            has_head=lambda source: problem.readers[source].layout.num_source_classes > 0,
            named=tuple(self.request.options.strategies),
            modality=images.modality,
            layers=problem.readable,
            scenario=problem.scenario,
            unlabelled=problem.unlabelled is not None,
            obvious=obvious,
            describer_key=self._describer_key,
        )

    def named(self, names: Iterable[str]) -> list[Source]:
        """Return sources by their names."""
        by_name = {source.name: source for source in self.sources.sources}
        return [by_name[name] for name in names]
