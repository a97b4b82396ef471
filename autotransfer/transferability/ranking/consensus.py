"""The consensus: the mean rank over families of scores.

No score decides alone, scores that measure the same thing count once, a score that a source
lacks is left out for it, and a copy of a source in the pool changes nothing for the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from autotransfer.models.ranks import average_ranks

_SAME = 1e-9  # relative difference of scores below which two sources are one source twice


def mean_ranks(
    scores: Sequence[Mapping[str, float]], families: Mapping[str, str]
) -> NDArray[np.float64]:
    """Return the mean rank of each source over families of scores, 1 is best.

    Args:
        scores: What is known of each of S sources, higher is better; a score that is missing or
            NaN is undefined for that source.
        families: The family of each score; a family counts once, however many scores it has.

    Returns:
        (S,) ranks among the D different sources, in [1, D]. A score that only m of them have is
        stretched to the same range. A source without any score gets D.
    """
    rows = [[score.get(name, np.nan) for name in families] for score in scores]
    table = np.array(rows, dtype=np.float64).reshape(len(scores), len(families))
    first, place = _without_clones(table)
    different = table[first]
    ranks = _stretched_ranks(different)
    consensus = np.full(len(different), float(len(different)))
    by_family = [
        _mean_of_defined(ranks[:, [f == family for f in families.values()]])
        for family in dict.fromkeys(families.values())
    ]
    mean = _mean_of_defined(np.column_stack(by_family)) if by_family else consensus
    known = ~np.isnan(mean)
    consensus[known] = mean[known]
    return consensus[place]


def places(consensus: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the place of each source, 1 is best; ties keep the order of the catalogue."""
    found = np.empty(len(consensus), dtype=np.int64)
    found[np.argsort(consensus, kind="stable")] = np.arange(1, len(consensus) + 1)
    return found


def _without_clones(table: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first source of each set of equal ones, and which set each source is in."""
    first: list[int] = []
    place = np.empty(len(table), dtype=np.int64)
    for i, row in enumerate(table):
        same = [
            k
            for k, j in enumerate(first)
            if not np.isnan(row).all()
            and np.allclose(row, table[j], rtol=_SAME, atol=0, equal_nan=True)
        ]
        if not same:
            first.append(i)
        place[i] = same[0] if same else len(first) - 1
    return np.array(first, dtype=np.int64), place


def _stretched_ranks(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (D, E) ranks of each score, among those that have it, over [0.5, D + 0.5]."""
    ranks = np.full(table.shape, np.nan)
    for column, values in zip(ranks.T, table.T, strict=True):
        defined = ~np.isnan(values)
        if defined.any():
            share = (average_ranks(-values[defined]) - 0.5) / defined.sum()
            column[defined] = share * len(table) + 0.5
    return ranks


def _mean_of_defined(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each row over what is defined, NaN where nothing is."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=1)
    total = np.where(defined, values, 0.0).sum(axis=1)
    mean: NDArray[np.float64] = np.full(len(values), np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean
