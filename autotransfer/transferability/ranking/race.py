"""The ranking: transferability scores of every source on the search items, and a shortlist.

Every source sees a first hundred items; those that have no chance stay behind, the others see
more. The order is a consensus of families of scores; a probe says how sure the shortlist is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import InvalidSourceError, NoCandidateError
from autotransfer.models.features import FeatureReaders
from autotransfer.models.source import Source
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.results import RankedSource, Ranking, Skipped
from autotransfer.transferability.ranking.consensus import mean_ranks, places
from autotransfer.transferability.ranking.left_out_domains import LEFT_OUT, score_of
from autotransfer.transferability.ranking.prior import PRIOR, constant_choice, priors
from autotransfer.transferability.ranking.race_rounds import (
    HOPELESS,
    ROUNDS,
    Clock,
    enter,
    leave_out,
    next_round,
    stratified_order,
    survivors,
)
from autotransfer.transferability.ranking.resampling import (
    probability_within_a_point,
    rank_intervals,
)
from autotransfer.transferability.ranking.scoring import Scored, score_source
from autotransfer.transferability.ranking.shortlist import shortlist

DEFAULT_ESTIMATORS = ("logme", "regularised-h-score", "knn", "leep", "nce")


@dataclass(frozen=True)
class Consensus:
    """What the order of the sources rests on.

    Args:
        estimators: The scores.
        memory: Mean place of the sources on earlier targets by fingerprint; see `prior.priors`.
        with_prior: Whether what is known of a source beforehand counts as one more family.
    """

    estimators: Sequence[TransferabilityEstimator]
    memory: Mapping[str, float]
    with_prior: bool = True

    @property
    def families(self) -> dict[str, str]:
        """Return the family of each score."""
        found = {e.name: e.family or e.name for e in self.estimators}
        return {**found, PRIOR: PRIOR} if self.with_prior else found


@dataclass(frozen=True)
class Standings:
    """One round: the sources with their scores, ordered as they came in.

    Args:
        scored: S sources.
        consensus: (S,) mean rank over families of scores.
        places: (S,) place, 1 is best.
        within: (S,) probability of being within a point of the best.
    """

    scored: Sequence[Scored]
    consensus: NDArray[np.float64]
    places: NDArray[np.int64]
    within: NDArray[np.float64]


def rank_sources(
    sources: Sequence[Source],
    images: ImageSet,
    readers: FeatureReaders,
    consensus: Consensus,
    *,
    seed: int,
    max_sources: int | None = None,
    seconds: float | None = None,
    racing: bool = True,
    domains: Sequence[str] | None = None,
) -> tuple[Ranking, list[Skipped]]:
    """Return all sources, best first, and those that could not be ranked.

    Args:
        sources: The candidates.
        images: The labelled search items; nothing held-out.
        readers: The feature cache.
        consensus: The scores.
        seed: Chooses the items of the rounds.
        max_sources: Largest size of the shortlist.
        seconds: Time for all forward passes; None is no limit.
        racing: Whether sources without a chance stay behind; otherwise all see every item.
        domains: (n,) name of the domain of each item; what is left out in turn counts as well.

    Raises:
        NoCandidateError: If no source is left.
    """
    clock = Clock.of(seconds)
    order = stratified_order(images.labels, seed)
    ordered = images.subset(order)
    rounds = [n for n in ROUNDS if n < len(images)] + [min(len(images), ROUNDS[-1])]
    if not racing:
        rounds = [len(images)]
    skipped: list[Skipped] = []
    first = ordered.subset(np.arange(rounds[0]))
    entered, seen = enter(sources, first, readers, clock, skipped)
    race = Race(ordered, readers, consensus, seed, in_order(domains, order))
    left_behind: list[Standings] = []
    standings = race.score(entered, seen, skipped)
    for wanted, hopeless in zip(rounds[1:], HOPELESS, strict=False):
        stay = survivors(standings.places, standings.within, hopeless=hopeless)
        remaining = [standings.scored[i].source for i in stay]
        reached = next_round(seen, ordered, remaining, readers, clock, wanted=wanted)
        if reached == seen:
            break
        left_behind.append(standings)
        seen = reached
        standings = race.score(remaining, seen, skipped)
    return race.ranking([*left_behind, standings], max_sources), skipped


@dataclass(frozen=True)
class Race:
    """Scores sources on more and more items.

    Args:
        images: The items, in the order in which they are shown.
        readers: The feature cache.
        consensus: The scores.
        seed: Seeds what is resampled.
        domains: Name of the domain of each item; None without domains.
    """

    images: ImageSet
    readers: FeatureReaders
    consensus: Consensus
    seed: int
    domains: Sequence[str] | None = None

    def score(self, sources: Sequence[Source], seen: int, skipped: list[Skipped]) -> Standings:
        """Return the standings after `seen` items; faulty sources go to `skipped`."""
        shown = self.images.subset(np.arange(seen))
        scored, domains = [], None if self.domains is None else self.domains[:seen]
        for source in sources:
            try:
                reader = self.readers[source]
                scored.append(score_source(reader, shown, self.consensus.estimators, domains))
            except InvalidSourceError as error:
                leave_out(source, error, skipped)
            finally:
                self.readers.release()
        if not scored:
            raise NoCandidateError([f"{skip.source}: {skip.reason}" for skip in skipped])
        mean = mean_ranks(self._with_priors(scored), self._families)
        within = probability_within_a_point(scored, self.seed)
        return Standings(scored, mean, places(mean), within)

    def ranking(self, rounds: Sequence[Standings], max_sources: int | None) -> Ranking:
        """Return the ranking: those who came furthest first, by the round that they left in."""
        pool = _latest(rounds)
        known = self._priors([item.source for item in pool])
        rows = self._rows(rounds, known)
        static = constant_choice(pool, known).source.name
        return Ranking(tuple(rows), self.chosen(rounds, max_sources), static)

    def chosen(self, rounds: Sequence[Standings], max_sources: int | None) -> tuple[str, ...]:
        """Return the shortlist."""
        last = rounds[-1]
        ordered = [last.scored[i] for i in np.argsort(last.places)]
        pool = _latest(rounds)
        names = [item.source.name for item in last.scored]
        return shortlist(
            ordered,
            pool,
            dict(zip(names, last.within.tolist(), strict=True)),
            self._priors([item.source for item in pool]),
            max_sources=max_sources,
        )

    @property
    def _families(self) -> dict[str, str]:
        found = self.consensus.families
        return found if self.domains is None else {**found, LEFT_OUT: LEFT_OUT}

    def _priors(self, sources: Sequence[Source]) -> dict[str, float | None]:
        found = priors(sources, self.consensus.memory)
        return {source.name: value for source, value in zip(sources, found, strict=True)}

    def _fixed(self, scored: Sequence[Scored]) -> list[dict[str, float]]:
        """Return the prior of each source, and how it does on left-out domains, as scores."""
        known = self._priors([item.source for item in scored])
        values = [known[item.source.name] for item in scored]
        return [
            {**score_of(item.left_out), **({} if value is None else {PRIOR: value})}
            for item, value in zip(scored, values, strict=True)
        ]

    def _with_priors(self, scored: Sequence[Scored]) -> list[dict[str, float]]:
        pairs = zip(scored, self._fixed(scored), strict=True)
        return [{**item.scores, **fixed} for item, fixed in pairs]

    def _rows(
        self, rounds: Sequence[Standings], known: Mapping[str, float | None]
    ) -> list[RankedSource]:
        rows: list[RankedSource] = []
        done: set[str] = set()
        for standings in reversed(rounds):
            offset, worst = len(rows), rows[-1].score if rows else 0.0
            low, high = self._intervals(standings)
            for i in np.argsort(standings.places):
                item = standings.scored[i]
                if item.source.name in done:
                    continue
                done.add(item.source.name)
                rank = len(rows) + 1
                rows.append(
                    RankedSource(
                        source=item.source.name,
                        rank=rank,
                        rank_low=min(max(int(low[i]), offset + 1), rank),
                        rank_high=max(int(high[i]), rank),
                        score=max(float(standings.consensus[i]), worst),
                        stage=item.stage,
                        estimators=item.scores,
                        seconds=item.seconds,
                        megabytes=item.megabytes,
                        num_images=item.num_images,
                        stage_accuracies=item.stage_accuracies,
                        within_a_point=float(standings.within[i]),
                        prior=known[item.source.name],
                        left_out=item.left_out,
                    )
                )
        return rows

    def _intervals(self, standings: Standings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        labels = self.images.labels[: standings.scored[0].num_images]
        return rank_intervals(
            standings.scored,
            labels,
            self.consensus.estimators,
            self._families,
            self.seed,
            fixed=self._fixed(standings.scored),
        )


def in_order(domains: Sequence[str] | None, order: NDArray[np.int64]) -> list[str] | None:
    """Return the domains of items in another order; None without domains."""
    return None if domains is None else [domains[i] for i in order]


def _latest(rounds: Sequence[Standings]) -> list[Scored]:
    """Return each source as it was last scored."""
    found = {item.source.name: item for standings in rounds for item in standings.scored}
    return list(found.values())
