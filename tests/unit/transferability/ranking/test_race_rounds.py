"""The first round where time is short, on readers and a clock that are told how long it takes."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest

from autotransfer.data.image_set import ImageSet
from autotransfer.models.source import Source
from autotransfer.plugin.testing import shapes, tiny_source
from autotransfer.results import Skipped
from autotransfer.transferability.ranking import race_rounds as module
from autotransfer.transferability.ranking.race_rounds import Clock, enter, stratified_order

PACE = 0.0625  # seconds an image


class _Readers:
    """One reader for each source."""

    mean_pace = PACE

    def __init__(self, time: SimpleNamespace) -> None:
        self.by_name = defaultdict[str, _Reader](lambda: _Reader(time))

    def release(self) -> None:
        """Release nothing."""

    def __getitem__(self, source: Source) -> _Reader:
        return self.by_name[source.name]


class _Reader:
    """Moves the clock for every image that it has not read yet."""

    def __init__(self, time: SimpleNamespace) -> None:
        self.time, self.read = time, set[str]()

    def missing(self, images: ImageSet) -> int:
        return len(set(images.digests) - self.read)

    def __call__(self, images: ImageSet) -> None:
        self.time.now += PACE * self.missing(images)
        self.read |= set(images.digests)


@pytest.mark.parametrize(("seconds", "shown"), [(6.0, 24), (12.0, 48), (100.0, 80)])
def test_in_a_hurry_every_source_has_its_share_of_the_time(
    monkeypatch: pytest.MonkeyPatch, seconds: float, shown: int
) -> None:
    time = SimpleNamespace(now=1000.0)
    time.monotonic = lambda: time.now
    monkeypatch.setattr(module, "time", time)
    sources, skipped = [tiny_source(f"seed {k}", seed=k) for k in range(4)], list[Skipped]()
    readers: Any = _Readers(time)
    images = shapes(2, 40)
    images = images.subset(stratified_order(images.labels, 0))
    entered, seen = enter(sources, images, readers, Clock.of(seconds), skipped)
    assert (entered, skipped) == (sources, [])
    assert seen == shown
