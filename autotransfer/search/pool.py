"""The sources whose features are at hand, so that their probes can be put together."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import InvalidSourceError
from autotransfer.models.features import FeatureReaders, Features
from autotransfer.models.heads.unit_ridge import fit_unit_ridge
from autotransfer.models.source import Source
from autotransfer.results import Skipped
from autotransfer.search.deployment_limits import ResultLimits

OBVIOUS = "probes of all sources"  # what a source that is not at hand is left out of
_UNKNOWN_PACE = 0.02  # seconds for an item of a small network on two cores


@dataclass(frozen=True)
class TimeLeft:
    """The time for forward passes.

    Args:
        deadline: `time.monotonic()` by which those of the search are over; None is no limit.
        held_out_seconds: For those of held-out items, of all sources together.
    """

    deadline: float | None
    held_out_seconds: float

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
    num_held_out: int,
    readers: FeatureReaders,
    *,
    time_left: TimeLeft,
) -> tuple[tuple[Source, ...], list[Skipped]]:
    """Return the sources whose features of all items are there, and why others are not.

    Args:
        sources: In the order in which they are read.
        needed: Names of those that are taken whatever time is left: the search reads them.
        parts: The items that are read now.
        num_held_out: Number of items that are read at the end, by what is then tested.
        readers: The feature cache.
        time_left: For passes.
    """
    found, skipped = list[Source](), list[Skipped]()
    held_out = 0.0
    for source in sources:
        pace, reason = 0.0, ""
        try:
            reader = readers[source]
            missing = sum(reader.missing(part) for part in parts)
            pace = _pace(reader, readers)
            if source.name not in needed:
                taken = held_out + num_held_out * pace
                reason = time_left.reason_against(missing * pace, taken, missing)
            for part in parts if missing and not reason else ():
                reader(part)
        except InvalidSourceError as error:
            reason = str(error)
        finally:
            readers.release()
        if reason:
            skipped.append(Skipped(source.name, OBVIOUS, reason))
            continue
        held_out += num_held_out * pace
        found.append(source)
    return tuple(found), skipped


def _pace(reader: Features, readers: FeatureReaders) -> float:
    """Return the seconds for an item: its own, or of a source without passes the mean of all."""
    if reader.pace is not None:
        return reader.pace
    return readers.mean_pace or _UNKNOWN_PACE


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
