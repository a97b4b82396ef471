"""Which sources a fit may use, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autotransfer.data.holdout import Division
from autotransfer.data.image_set import ImageSet
from autotransfer.data.splitting import Fold
from autotransfer.errors import NoCandidateError
from autotransfer.models.catalogue import Sources
from autotransfer.models.catalogue.leakage import without_leaks
from autotransfer.models.features import FeatureReaders
from autotransfer.models.source import Source
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.plugin.registry import Registry
from autotransfer.results import Ranking, Skipped
from autotransfer.scenarios.clock import HELD_OUT_SHARE, POOL_SHARE, Clock
from autotransfer.scenarios.inputs import Problem
from autotransfer.scenarios.options import Options
from autotransfer.search.deployment_limits import ResultLimits
from autotransfer.search.pool import TimeLeft, read_all
from autotransfer.search.storage import STORAGE_FILE
from autotransfer.transferability.ranking import (
    DEFAULT_ESTIMATORS,
    Consensus,
    nested_shortlists,
)
from autotransfer.transferability.ranking.earlier_targets import mean_places


@dataclass(frozen=True)
class Sourcing:
    """The sources of a fit, and what orders them.

    Args:
        sources: Those that may be used.
        division: The open images.
        readers: The feature cache.
        registry: The scores.
        workspace: Where places on earlier targets are remembered.
        chosen: The options.
        further_scores: Scores beside the default ones.
    """

    sources: Sources
    division: Division
    readers: FeatureReaders
    registry: Registry
    workspace: Path
    chosen: Options
    further_scores: Sequence[TransferabilityEstimator] = ()

    def consensus(self, names: Sequence[str] = ()) -> Consensus:
        """Return what the order rests on; scores that the user names stand alone."""
        fingerprint = self.division.images.fingerprint
        memory = mean_places(self.workspace / STORAGE_FILE, without=fingerprint)
        scores = [self.registry.estimator(name) for name in names or DEFAULT_ESTIMATORS]
        if not names:
            scores += self.further_scores
        return Consensus(scores, memory, with_prior=not names)

    def pool(
        self, ranking: Ranking, clock: Clock, further: Sequence[ImageSet], held_out: int
    ) -> tuple[tuple[Source, ...], list[Skipped]]:
        """Return the sources whose features are at hand, the default one first, then by rank.

        Those that there was no time to rank come last: they can still be put together.

        Args:
            ranking: Of the sources.
            clock: The time of the fit.
            further: Items beside the open ones that the search reads.
            held_out: Number of items that the guard reads at the end.
        """
        default = self.sources.sources[0].name
        ranked = [*ranking.shortlist, *(row.source for row in ranking.rows)]
        order = dict.fromkeys([default, *ranked, *(s.name for s in self.sources.sources)])
        needed = {default, ranking.shortlist[0]}
        time_left = TimeLeft(clock.deadline(POOL_SHARE), (clock.seconds or 0.0) * HELD_OUT_SHARE)
        return read_all(
            self.named(order),
            needed,
            [self.division.images, *further],
            held_out,
            self.readers,
            time_left,
        )

    def alone(self, ranking: Ranking) -> tuple[Source, ...]:
        """Return the source to probe by itself, which is the default one if it can be read."""
        default = self.sources.sources[0].name
        ranked = {row.source for row in ranking.rows}
        return tuple(self.named([default if default in ranked else ranking.shortlist[0]]))

    def nested(self, ranking: Ranking, folds: Sequence[Fold]) -> tuple[tuple[str, ...], ...]:
        """Return the shortlist without each fold; nothing where all sources are on it anyway."""
        if len(ranking.rows) <= len(ranking.shortlist):
            return ()
        return nested_shortlists(
            self.named(row.source for row in ranking.rows),
            self.division.images,
            folds,
            self.readers,
            self.consensus(),
            seed=self.chosen.seed,
            max_sources=self.chosen.max_sources,
        )

    def named(self, names: Iterable[str]) -> list[Source]:
        """Return sources by their names."""
        by_name = {source.name: source for source in self.sources.sources}
        return [by_name[name] for name in names]


def usable(problem: Problem, division: Division, chosen: Options) -> Sources:
    """Return the sources that know no tested image and can keep the limits on the result.

    Raises:
        NoCandidateError: If there is none.
    """
    sources = without_leaks(problem.sources, division, problem.target.validation)
    return within_limits(sources, problem.readers, problem.target.train, chosen)


def within_limits(
    sources: Sources, readers: FeatureReaders, images: ImageSet, chosen: Options
) -> Sources:
    """Return the sources that can keep the limits on the result.

    Raises:
        NoCandidateError: If there is none.
    """
    limits = ResultLimits(chosen.max_mb, chosen.max_ms, readers, images)
    if limits.none:
        return sources
    reasons = {source.name: limits.against([source]) for source in sources.sources}
    readers.release()
    skipped = [Skipped(name, "*", reason) for name, reason in reasons.items() if reason]
    kept = tuple(source for source in sources.sources if not reasons[source.name])
    if not kept:
        raise NoCandidateError([f"{skip.source}: {skip.reason}" for skip in skipped])
    return Sources(kept, (*sources.skipped, *skipped), sources.default_set)


def left_out(ranking: Ranking) -> list[Skipped]:
    """Return the sources that the ranking left out, with their ranks."""
    return [
        Skipped(row.source, "*", f"rank {row.rank} of {len(ranking.rows)}: not in the shortlist")
        for row in ranking.rows
        if row.source not in ranking.shortlist
    ]
