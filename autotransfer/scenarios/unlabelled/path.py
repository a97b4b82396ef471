"""Which way to go from source to target: the path whose longest hop is shortest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations

from typing_extensions import override

SOURCE, TARGET = "source", "target"
MOST_HOPS = 3
LEAST_GAIN = 0.2  # of proxy A-distance, in [0, 2]: by so much must the longest hop be shorter

Distances = Mapping[frozenset[str], float]


@dataclass(frozen=True)
class Path:
    """A way from source to target.

    Args:
        domains: Names of the sets between them, in order; empty for the direct hop.
        longest: Largest proxy A-distance of its hops.
        direct: Distance of the direct hop.
    """

    domains: tuple[str, ...]
    longest: float
    direct: float

    @property
    def accepted(self) -> bool:
        """Return whether its longest hop is clearly shorter than the direct one."""
        return bool(self.domains) and self.longest <= self.direct - LEAST_GAIN

    @override
    def __str__(self) -> str:
        """Return "source -> intermediate domain -> target"."""
        return " -> ".join((SOURCE, *self.domains, TARGET))


def shortest_path(domains: Sequence[str], distances: Distances) -> Path:
    """Return the path of at most three hops whose longest hop is shortest.

    Ties go to the smaller sum, then to fewer hops. The direct hop is a path as well.

    Args:
        domains: Names of the intermediate sets.
        distances: Distance of every pair among them, `SOURCE` and `TARGET`.
    """
    ways = [way for count in range(MOST_HOPS) for way in permutations(domains, count)]
    lengths = {way: _hops(way, distances) for way in ways}
    best = min(ways, key=lambda way: (max(lengths[way]), sum(lengths[way]), len(way)))
    return Path(best, max(lengths[best]), lengths[()][0])


def _hops(way: tuple[str, ...], distances: Distances) -> list[float]:
    return [distances[frozenset(pair)] for pair in pairwise((SOURCE, *way, TARGET))]
