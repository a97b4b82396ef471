"""The race: every source sees a first hundred items, and only those in doubt see more."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import (
    DataWarning,
    InvalidSourceError,
    ReducedBudgetWarning,
    without_name,
)
from autotransfer.models.features import FeatureReaders, Features
from autotransfer.models.source import Source
from autotransfer.results import Skipped

ROUNDS = (100, 300, 1000)  # items seen after each round, as far as there are so many
# probability of being within a point of the best below which a source leaves after each round:
# a hundred items say little, and later ones cost most
HOPELESS = (0.05, 0.1)
STAY = 3  # so many best places stay in any case
UNKNOWN_PACE = 0.02  # seconds an item of a small network on two cores
HURRIED = 30.0  # seconds; with less for all sources the first round may show fewer items
LEAST_A_CLASS = 3  # items of a class that the first round shows in any case
_WORTHWHILE = 1.3  # a round that is cut short for time has to bring at least so many times more


@dataclass(frozen=True)
class Clock:
    """The time of a ranking.

    Args:
        deadline: `time.monotonic()` by which the forward passes have to be over.
    """

    deadline: float = math.inf

    @classmethod
    def of(cls, seconds: float | None) -> Clock:
        """Return the clock of a ranking that may take so many seconds."""
        return cls(math.inf if seconds is None else time.monotonic() + seconds)

    def left(self) -> float:
        """Return the seconds left, infinite without a deadline."""
        return self.deadline - time.monotonic()


def stratified_order(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return all positions so that every beginning holds the classes in even shares."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    turn = np.empty(len(labels))
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        turn[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.argsort(turn, kind="stable").astype(np.int64)


def enter(
    sources: Sequence[Source],
    images: ImageSet,
    readers: FeatureReaders,
    clock: Clock,
    skipped: list[Skipped],
) -> tuple[list[Source], int]:
    """Return the sources whose features on the first items are there, and the number of items.

    A source whose weights cannot be loaded goes to `skipped` with its reason; so does one that
    there is no time for, once at least one is in. Where the time is short, the first one that can
    be read decides how many items are shown, in its share of the time: a few of every class at
    least.
    """
    entered: list[Source] = []
    for place, source in enumerate(sources):
        try:
            reader = readers[source]
            if not entered:
                own = Clock.of(clock.left() / (len(sources) - place))
                hurried = clock.left() <= HURRIED
                shown = read_beginning(reader, images, own) if hurried else len(images)
                images = images.subset(np.arange(shown))
            elif clock.left() < reader.missing(images) * (readers.mean_pace or UNKNOWN_PACE):
                reason = "no time was left to rank it: not in the shortlist"
                skipped.append(Skipped(source.name, "*", reason))
                continue
            reader(images)
        except InvalidSourceError as error:
            leave_out(source, error, skipped)
            continue
        finally:
            readers.release()
        entered.append(source)
    return entered, len(images)


def read_beginning(reader: Features, images: ImageSet, clock: Clock) -> int:
    """Read the first items, a few of every class in any case, and more as the time allows.

    The pace is measured anew with every piece that is read: the first one loads the network, and
    other programs come and go.

    Returns:
        Number of items that are read.
    """
    seen, pace = least_beginning(images.labels, LEAST_A_CLASS), 0.0
    reader(images.subset(np.arange(seen)))
    if not reader.missing(images):
        return len(images)
    while seen < len(images) and clock.left() > 0:
        more = min(2 * seen, len(images)) - seen
        if pace:
            more = min(more, int(clock.left() / pace))
        if not more:
            break
        began = time.monotonic()
        reader(images.subset(np.arange(seen, seen + more)))
        pace, seen = (time.monotonic() - began) / more, seen + more
    return seen


def affordable(pace: float | None, num_items: int, seconds: float, *, least: int) -> int:
    """Return how many of the items can be shown in so many seconds.

    Args:
        pace: Seconds an item; None where it is not known.
        num_items: Number of all items.
        seconds: The time left.
        least: Number of items that are there, or shown in any case.
    """
    pace = UNKNOWN_PACE if pace is None else pace
    if seconds >= (num_items - least) * pace:
        return num_items
    return least + int(max(seconds, 0.0) / pace)


def least_beginning(labels: NDArray[np.int64], each: int) -> int:
    """Return how many items the shortest beginning has that holds so many items of every class.

    Of a class with fewer it holds all.
    """
    needed = 0
    for label in np.unique(labels):
        needed = max(needed, int(np.flatnonzero(labels == label)[:each][-1]) + 1)
    return needed


def leave_out(source: Source, error: InvalidSourceError, skipped: list[Skipped]) -> None:
    """Note why a source cannot be ranked."""
    told = {without_name(skip.source, skip.reason) for skip in skipped}
    again = without_name(source.name, str(error)) in told
    skipped.append(Skipped(source.name, "*", str(error)))
    reason = f"source {source.name!r}, for the same reason" if again else str(error)
    warnings.warn(f"left out: {reason}", DataWarning, stacklevel=3)


def next_round(
    seen: int,
    images: ImageSet,
    racing: Sequence[Source],
    readers: FeatureReaders,
    clock: Clock,
    *,
    wanted: int,
) -> int:
    """Return how many items the next round shows, `seen` where there is no time for more.

    Args:
        seen: Number of items so far.
        images: All items, in the order in which they are shown.
        racing: The sources that are still in the race.
        readers: The feature cache; what it holds costs nothing.
        clock: The time left.
        wanted: Number of items that the round should reach.
    """
    wanted = min(wanted, len(images))
    extra = images.subset(np.arange(seen, wanted))
    cost = _seconds([readers[source] for source in racing], extra)
    left = clock.left()
    if cost <= left or not cost:
        return wanted
    possible = seen + int((wanted - seen) * max(left, 0.0) / cost)
    reached = possible if possible >= _WORTHWHILE * seen else seen
    warnings.warn(
        f"the ranking rests on {reached} items; {wanted} would have taken "
        f"{cost - max(left, 0.0):.0f} s more",
        ReducedBudgetWarning,
        stacklevel=3,
    )
    return reached


def _seconds(readers: Sequence[Features], images: ImageSet) -> float:
    """Return the seconds that the items will take, by the pace so far.

    A source whose rows were all cached has no pace yet; it is taken for an average one.
    """
    known = [reader.pace for reader in readers if reader.pace is not None]
    usual = sum(known) / len(known) if known else UNKNOWN_PACE
    return sum(
        reader.missing(images) * (usual if reader.pace is None else reader.pace)
        for reader in readers
    )


def survivors(
    places: NDArray[np.int64], within: NDArray[np.float64], *, hopeless: float
) -> NDArray[np.int64]:
    """Return the positions of the sources that stay in the race.

    Args:
        places: (S,) place of each source in the consensus.
        within: (S,) probability of being within a point of the best.
        hopeless: Probability below which a source leaves, unless it is among the best three.
    """
    return np.flatnonzero((places <= STAY) | (within >= hopeless))
