"""The shortlist that each fold would have led to, had its items never been seen.

The search runs once, with the shortlist of all items. For the test out of fold, a source that
made it there only because of a fold's own labels must not be chosen for that fold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.splitting import Fold
from autotransfer.models.features import FeatureReaders
from autotransfer.models.source import Source
from autotransfer.results import Skipped
from autotransfer.transferability.ranking.race import Consensus, Race, in_order
from autotransfer.transferability.ranking.race_rounds import (
    HOPELESS,
    ROUNDS,
    stratified_order,
    survivors,
)


def nested_shortlists(
    sources: Sequence[Source],
    images: ImageSet,
    folds: Sequence[Fold],
    readers: FeatureReaders,
    consensus: Consensus,
    *,
    seed: int,
    shown: int = ROUNDS[0],
    max_sources: int | None = None,
    domains: Sequence[str] | None = None,
) -> tuple[tuple[str, ...], ...]:
    """Return one shortlist for each fold, ranked without the fold's items.

    No network runs: a source goes as far as its features are cached, which is as far as it went
    in the ranking of all items.

    Args:
        sources: Those that were ranked.
        images: (n,) all items that were ranked.
        folds: Of these items.
        readers: The feature cache.
        consensus: The scores.
        seed: As for the ranking of all items.
        shown: Number of items that every source has seen in the ranking.
        max_sources: Largest size of a shortlist.
        domains: (n,) name of the domain of each item; None without domains.
    """
    order = stratified_order(images.labels, seed)
    found = []
    for fold in folds:
        kept = ~np.isin(order, fold.validation)
        among = in_order(domains, order[kept])
        race = Race(images.subset(order[kept]), readers, consensus, seed, among)
        found.append(_shortlist(race, sources, _rounds(kept, shown), max_sources))
    return tuple(found)


def _rounds(kept: NDArray[np.bool_], shown: int) -> list[int]:
    """Return how many items each round shows when only so many of the order are kept."""
    sizes = [n for n in ROUNDS if n < len(kept)] + [min(len(kept), ROUNDS[-1])]
    sizes[0] = min(sizes[0], shown)
    return [int(kept[:n].sum()) for n in sizes]


def _shortlist(
    race: Race, sources: Sequence[Source], rounds: Sequence[int], max_sources: int | None
) -> tuple[str, ...]:
    failed: list[Skipped] = []
    standings = [race.score(sources, rounds[0], failed)]
    for seen, hopeless in zip(rounds[1:], HOPELESS, strict=False):
        last, shown = standings[-1], race.images.subset(np.arange(seen))
        stay = survivors(last.places, last.within, hopeless=hopeless)
        staying = [last.scored[i].source for i in stay]
        remaining = [source for source in staying if race.readers[source].missing(shown) == 0]
        if not remaining:
            break
        standings.append(race.score(remaining, seen, failed))
    return race.chosen(standings, max_sources)
