"""Which sources a fit may use, and in which order."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from autotransfer.data.attributes import Attributes
from autotransfer.data.holdout import Division
from autotransfer.data.image_set import ImageSet
from autotransfer.data.splitting import Fold
from autotransfer.errors import NoCandidateError
from autotransfer.models.catalogue import Sources
from autotransfer.models.catalogue.leakage import without_leaks
from autotransfer.models.features import FeatureReaders
from autotransfer.models.source import Source
from autotransfer.plugin.registry import Registry
from autotransfer.results import Ranking, Skipped
from autotransfer.scenarios.clock import POOL_SHARE, RANK_SHARE, SEALED_SHARE, Clock
from autotransfer.scenarios.inputs import Problem
from autotransfer.scenarios.options import Options
from autotransfer.scenarios.zero_shot.held_out_classes import HeldOutClasses
from autotransfer.search.deployment_limits import ResultLimits
from autotransfer.search.pool import TimeLeft, read_all
from autotransfer.search.storage import STORAGE_FILE
from autotransfer.search.study import Study
from autotransfer.transferability.ranking import (
    DEFAULT_ESTIMATORS,
    Consensus,
    nested_shortlists,
    rank_sources,
)
from autotransfer.transferability.ranking.earlier_targets import mean_places

_RANKINGS = TypeAdapter(Ranking)


@dataclass(frozen=True)
class Sourcing:
    """The sources of a fit, and what orders them.

    Args:
        sources: Those that may be used.
        division: The open pictures.
        readers: The feature cache.
        registry: The scores.
        workspace: Where places on earlier targets are remembered.
        chosen: The options.
        table: Attributes of the classes, in the described setting.
    """

    sources: Sources
    division: Division
    readers: FeatureReaders
    registry: Registry
    workspace: Path
    chosen: Options
    table: Attributes | None = None

    def consensus(self, names: Sequence[str] = ()) -> Consensus:
        """Return what the order rests on; scores that the user names stand alone."""
        fingerprint = self.division.images.fingerprint
        memory = mean_places(self.workspace / STORAGE_FILE, without=fingerprint)
        scores = [self.registry.estimator(name) for name in names or DEFAULT_ESTIMATORS]
        if self.table is not None and not names:
            scores.append(HeldOutClasses(self.table))
        return Consensus(scores, memory, with_prior=not names)

    def ranked(self, study: Study, clock: Clock) -> tuple[Ranking, list[Skipped]]:
        """Return the ranking of a fit, from the study where it is there already."""
        stored = study.recall("ranking")
        if stored is None:
            stored = self._ranked_anew(clock)
            study.remember("ranking", stored)
        ranking = _RANKINGS.validate_python(stored["ranking"])
        self.chosen.say("shortlist: " + ", ".join(ranking.shortlist))
        return ranking, [Skipped(**item) for item in stored["skipped"]]

    def pool(
        self, ranking: Ranking, clock: Clock, further: Sequence[ImageSet], sealed: int
    ) -> tuple[tuple[Source, ...], list[Skipped]]:
        """Return the sources whose features are at hand, the default one first, then by rank.

        Those that there was no time to rank come last: they can still be put together.

        Args:
            ranking: Of the sources.
            clock: The time of the fit.
            further: Items beside the open ones that the search reads.
            sealed: Number of items that the guard reads at the end.
        """
        default = self.sources.sources[0].name
        ranked = [*ranking.shortlist, *(row.source for row in ranking.rows)]
        order = dict.fromkeys([default, *ranked, *(s.name for s in self.sources.sources)])
        needed = {default, ranking.shortlist[0]}
        time_left = TimeLeft(clock.deadline(POOL_SHARE), (clock.seconds or 0.0) * SEALED_SHARE)
        return read_all(
            self.named(order),
            needed,
            [self.division.images, *further],
            sealed,
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

    def _ranked_anew(self, clock: Clock) -> dict[str, object]:
        sources, images = self.sources.sources, self.division.images
        self.chosen.say(f"ranking {len(sources)} sources on {len(images)} pictures")
        due = clock.deadline(RANK_SHARE)
        ranking, skipped = rank_sources(
            sources,
            images,
            self.readers,
            self.consensus(),
            seed=self.chosen.seed,
            max_sources=self.chosen.max_sources,
            seconds=None if due is None else due - time.monotonic(),
        )
        return {
            "ranking": _RANKINGS.dump_python(ranking, mode="json"),
            "skipped": [vars(item) for item in skipped],
        }


def usable(problem: Problem, division: Division, chosen: Options) -> Sources:
    """Return the sources that know no tested picture and can keep the limits on the result.

    Raises:
        NoCandidateError: If there is none.
    """
    sources = without_leaks(problem.sources, division, problem.target.validation)
    limits = ResultLimits(chosen.max_mb, chosen.max_ms, problem.readers, problem.target.train)
    if limits.none:
        return sources
    reasons = {source.name: limits.against([source]) for source in sources.sources}
    problem.readers.release()
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
