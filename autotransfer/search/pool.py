"""The sources whose features are at hand, so that their probes can be put together."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import InvalidSourceError
from autotransfer.models.features import FeatureReaders, Features
from autotransfer.models.heads.unit_ridge import fit_unit_ridge
from autotransfer.models.source import Source
from autotransfer.results import Skipped
from autotransfer.search.deployment_limits import ResultLimits
from autotransfer.transferability.ranking.race_rounds import (
    UNKNOWN_PACE,
    Clock,
    read_beginning,
    stratified_order,
)

OBVIOUS = "probes of all sources"  # what a source that is not at hand is left out of


@dataclass(frozen=True)
class TimeLeft:
    """The time for forward passes.

    Args:
        deadline: `time.monotonic()` by which those of the search are over; None is no limit.
        held_out_seconds: For those of held-out items, of all sources together.
    """

    deadline: float | None
    held_out_seconds: float

    def without(self, seconds: float) -> TimeLeft:
        """Return the time without so many seconds that are spoken for."""
        return self if self.deadline is None else replace(self, deadline=self.deadline - seconds)

    def reason_against(self, seconds: float, held_out: float, num_items: int) -> str:
        """Return why there is no time for a source; empty where there is.

        Args:
            seconds: That its passes in the search take.
            held_out: Seconds that held-out items take, with the sources that are in already.
            num_items: Number of items to pass.
        """
        if self.deadline is None:
            return ""
        left = self.deadline - time.monotonic()
        if seconds > max(left, 0.0):
            return (
                f"no time was left to read its features of {num_items} more items "
                f"({seconds:.0f} s)"
            )
        if held_out > self.held_out_seconds:
            return f"no time would be left to test it on the held-out items ({held_out:.0f} s)"
        return ""


def read_all(
    sources: Sequence[Source],
    needed: Collection[str],
    parts: Sequence[ImageSet],
    held_out: ImageSet | None,
    readers: FeatureReaders,
    *,
    time_left: TimeLeft,
) -> tuple[tuple[Source, ...], list[Skipped]]:
    """Return the sources whose features of all items are there, and why others are not.

    Args:
        sources: In the order in which they are read.
        needed: Names of those that are taken whatever time is left: the search reads them.
        parts: The items that are read now.
        held_out: Items that are read at the end, by what is then tested, unless a cache has them.
        readers: The feature cache.
        time_left: For passes.
    """
    found, skipped = list[Source](), list[Skipped]()
    spoken_for = 0.0  # seconds of the sources that are in
    for place, source in enumerate(sources):
        later, reason = 0.0, ""
        try:
            reader = readers[source]
            missing = sum(reader.missing(part) for part in parts)
            pace = _pace(reader, readers)
            later = 0.0 if held_out is None else reader.missing(held_out) * pace
            if source.name not in needed:
                owed = sum(
                    readers[other].missing(part) * _pace(readers[other], readers)
                    for other in sources[place + 1 :]
                    if other.name in needed and time_left.deadline is not None
                    for part in parts
                )
                left = time_left.without(owed)
                reason = left.reason_against(missing * pace, spoken_for + later, missing)
            for part in parts if missing and not reason else ():
                reader(part)
        except InvalidSourceError as error:
            reason = str(error)
        finally:
            readers.release()
        if reason:
            skipped.append(Skipped(source.name, OBVIOUS, reason))
            continue
        spoken_for += later
        found.append(source)
    return tuple(found), skipped


def fits(parts: Sequence[ImageSet], reader: Features, deadline: float | None) -> bool:
    """Return whether a source is likely to have read all parts by a deadline; None is no limit."""
    missing = sum(reader.missing(part) for part in parts)
    if deadline is None or not missing:
        return True
    pace = UNKNOWN_PACE if reader.pace is None else reader.pace
    return time.monotonic() + missing * pace <= deadline


def read_parts(
    parts: Sequence[ImageSet], reader: Features, deadline: float | None, seed: int
) -> list[int]:
    """Return how many items of each part can be read by a deadline, and read them if not all.

    Args:
        parts: Labelled items.
        reader: Features of the source that has to read them.
        deadline: `time.monotonic()`; None is no limit.
        seed: As for the ranking, whose order is kept.
    """
    if deadline is None or fits(parts, reader, deadline):
        return [len(part) for part in parts]
    read = list[int]()
    for place, part in enumerate(parts):
        share = len(part) / sum(map(len, parts[place:]))
        ordered = part.subset(stratified_order(part.labels, seed))
        read.append(
            read_beginning(reader, ordered, Clock.of(share * (deadline - time.monotonic())))
        )
    return read


def beginning(images: ImageSet, n: int, seed: int) -> NDArray[np.int64]:
    """Return the sorted positions of the first n items that the ranking has seen."""
    return np.sort(stratified_order(images.labels, seed)[:n])


def _pace(reader: Features, readers: FeatureReaders) -> float:
    """Return the seconds for an item: its own, or of a source without passes the mean of all."""
    if reader.pace is not None:
        return reader.pace
    return readers.mean_pace or UNKNOWN_PACE


def best_subset(
    sources: Sequence[Source], images: ImageSet, readers: FeatureReaders, limits: ResultLimits
) -> tuple[Source, ...]:
    """Return the sources that together keep the limits, those with the best probes first.

    Args:
        sources: Whose features are there; each keeps the limits by itself.
        images: (n,) labelled items.
        readers: The feature cache.
        limits: What an answer may weigh and cost.
    """
    num_classes = len(images.class_names)
    losses = {
        s.name: fit_unit_ridge(readers[s](images), images.labels, num_classes)[0].log_loss(
            images.labels
        )
        for s in sources
    }
    chosen = list[Source]()
    for source in sorted(sources, key=lambda s: losses[s.name]):
        if not limits.against([*chosen, source]):
            chosen.append(source)
    return tuple(chosen)
