"""The shortlist: the sources that may yet turn out the best, and not more than can be afforded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from autotransfer.transferability.ranking.prior import family_of, stand_in
from autotransfer.transferability.ranking.scoring import Scored

LEAST = 3
FRACTION = 0.3  # of all sources, at most
CHANCE = 0.1  # of being within a point of the best
COST_SHARE = 0.5  # of the seconds an item that all sources take together


def largest_size(num_sources: int, max_sources: int | None) -> int:
    """Return how many sources a shortlist may have."""
    size = max(LEAST, math.ceil(FRACTION * num_sources))
    return size if max_sources is None else min(size, max_sources)


def shortlist(
    ordered: Sequence[Scored],
    pool: Sequence[Scored],
    within: Mapping[str, float],
    known: Mapping[str, float | None],
    *,
    max_sources: int | None,
) -> tuple[str, ...]:
    """Return the names of the sources that the search may use, best first.

    The first three in the order of the consensus; then, in that order, what is within a point of
    the best with more than 10 % probability, as long as the shortlist takes no more than half of
    the seconds an item of all sources together. The last place goes to the best prior among
    the families of networks that are not there yet.

    Args:
        ordered: The sources that are still in the race, best first.
        pool: All sources that were scored.
        within: Probability of being within a point of the best, by name.
        known: Prior by name.
        max_sources: The user's limit.
    """
    size = largest_size(len(pool), max_sources)
    affordable = COST_SHARE * sum(_pace(item) for item in pool)
    chosen = list(ordered[: min(LEAST, size)])
    for item in ordered[LEAST:]:
        spent = sum(_pace(other) for other in chosen)
        fits = spent + _pace(item) <= affordable
        if len(chosen) < size and within[item.source.name] > CHANCE and fits:
            chosen.append(item)
    if size >= LEAST:
        _seat_another_family(chosen, pool, known, size)
    return tuple(item.source.name for item in chosen)


def _pace(item: Scored) -> float:
    """Return the seconds an item."""
    return item.seconds / max(item.num_images, 1)


def _seat_another_family(
    chosen: list[Scored], pool: Sequence[Scored], known: Mapping[str, float | None], size: int
) -> None:
    """Give the last place to another family, where all that are chosen are of one."""
    families = {family_of(item.source) for item in chosen}
    other = stand_in(pool, known, list(families)) if len(families) == 1 else None
    if other is not None:
        if len(chosen) == size:
            chosen.pop()
        chosen.append(other)
