"""The test on held-out seen classes: every class with every other, in closed form if there is."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from autotransfer.described.fitting_again import Point
from autotransfer.described.own_head import head_in_pairs, known_classes
from autotransfer.described.pairs import (
    ALL_PAIRS_UP_TO,
    Array,
    PairResults,
    compare_pairs,
    rounds,
    row_likeness,
    rows_for_classes,
)
from autotransfer.described.verdict import HELD_OUT, Evidence

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
    table, labels = point.arena.table, point.arena.images.labels
    drawn = rows_for_classes(len(table.class_names), seed=seed)
    likeness = row_likeness(table.values)
    scores, chosen = point.left_out()
    pairs = _pairs(table.num_seen, deadline)
    found = compare_pairs(pairs, scores, labels, drawn, likeness, chosen=chosen)
    null, entered = found.exchanged.max(axis=1), 0
    done = [(int(i), int(j)) for i, j in found.pairs]
    for other in competitors:
        if deadline is not None and time.monotonic() > deadline:
            break
        closed_form = other.closed_form()
        if closed_form is None:
            continue
        theirs = compare_pairs(done, closed_form[0], labels, drawn, likeness)
        null, entered = np.maximum(null, theirs.exchanged.max(axis=1)), entered + 1
    low, high = found.interval(chosen, table.num_seen, seed=seed)
    columns = known_classes(point.source, table.seen)
    return Evidence(
        basis=HELD_OUT,
        score=found.mean(chosen),
        low=low,
        high=high,
        num_classes=table.num_seen,
        chance=CHANCE,
        null=null,
        null_mean=float(found.exchanged[:, chosen].mean()),
        assignments=float(math.perm(len(table.class_names), table.num_seen)),
        nearest=float(found.nearest.mean()),
        known=tuple(table.seen[k] for k in np.flatnonzero(columns >= 0)),
        without_known=_without(found, columns, chosen),
        own_head=head_in_pairs(point.arena.images, columns, point.reader),
        pairs=len(done),
        competitors=entered,
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


def _without(found: PairResults, columns: NDArray[np.int64], chosen: int) -> float | None:
    """Return the mean over pairs of classes that the source does not know."""
    new: Array = found.observed[(columns[found.pairs] < 0).all(axis=1), chosen]
    return float(new.mean()) if len(new) else None
