"""The test on held-out seen classes: every class with every other, in closed form if there is."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from autotransfer.scenarios.zero_shot.pairs import (
    ALL_PAIRS_UP_TO,
    PERMUTATIONS,
    REFITTED,
    Array,
    PairResults,
    compare_pairs,
    rounds,
    row_likeness,
    rows_for_classes,
)
from autotransfer.scenarios.zero_shot.refits import Point
from autotransfer.scenarios.zero_shot.source_head import head_in_pairs, known_classes, known_to_any
from autotransfer.scenarios.zero_shot.verdict import HELD_OUT, Evidence

CHANCE = 0.5  # of two


def judge_pairs(
    point: Point, competitors: Sequence[Point], *, seed: int, deadline: float | None
) -> Evidence:
    """Return what held-out pairs say of a point.

    Args:
        point: The finalist.
        competitors: Further points with a closed form that competed with it; the null takes the
            best of all, as the search did.
        seed: Draws the exchanged tables and resamples classes.
        deadline: `time.monotonic()` from which no further round of pairs is begun, and no
            further competitor.
    """
    began = time.monotonic()
    table, labels = point.context.table, point.context.images.labels
    closed = point.closed_form()
    chosen = 0 if closed is None else closed.chosen
    draws = PERMUTATIONS if closed is None else REFITTED
    drawn = rows_for_classes(len(table.class_names), seed=seed, draws=draws)
    found = compare_pairs(
        _pairs(table.num_seen, deadline),
        point.fitted_again if closed is None else closed.scores,
        labels,
        drawn if closed is None else drawn[:0],
        row_likeness(table.values),
        chosen=chosen,
    )
    done = [(int(i), int(j)) for i, j in found.pairs]
    exchanged = found.exchanged if closed is None else closed.exchanged(done, drawn)
    null, entered = exchanged.max(axis=1), 0
    for other in competitors:
        if deadline is not None and time.monotonic() > deadline:
            break
        theirs = other.closed_form()
        if theirs is not None:
            null = np.maximum(null, theirs.exchanged(done, drawn).max(axis=1))
            entered += 1
    low, high = found.interval(chosen, table.num_seen, seed=seed)
    known = known_to_any(point.sources, table.seen)
    columns = known_classes(point.source, table.seen)
    return Evidence(
        basis=HELD_OUT,
        score=found.mean(chosen),
        low=low,
        high=high,
        num_classes=table.num_seen,
        chance=CHANCE,
        null=null,
        null_mean=float(exchanged[:, chosen].mean()),
        assignments=float(math.perm(len(table.class_names), table.num_seen)),
        nearest=float(found.nearest.mean()),
        known=tuple(table.seen[k] for k in np.flatnonzero(known)),
        without_known=_without(found, known, chosen),
        own_head=head_in_pairs(point.context.images, columns, point.reader),
        pairs=len(done),
        competitors=entered,
        refitted=closed is not None,
        kind=point.context.images.modality.plural,
        seconds=time.monotonic() - began,
    )


def _pairs(num_classes: int, deadline: float | None) -> Iterator[tuple[int, int]]:
    """Yield the pairs, round by round until the deadline; every class is in one at least."""
    most = ALL_PAIRS_UP_TO * (ALL_PAIRS_UP_TO - 1) // 2
    least = 1 + num_classes % 2  # rounds until nobody has sat out all of them
    count = 0
    for number, games in enumerate(rounds(num_classes)):
        late = deadline is not None and time.monotonic() > deadline
        if number >= least and (late or count >= most):
            return
        count += len(games)
        yield from games


def _without(found: PairResults, known: NDArray[np.bool_], chosen: int) -> float | None:
    """Return the mean over pairs of classes that no source knows."""
    new: Array = found.observed[~known[found.pairs].any(axis=1), chosen]
    return float(new.mean()) if len(new) else None
