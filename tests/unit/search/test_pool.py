"""Which sources are put together: those whose features are at hand, within the limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.errors import InvalidSourceError
from autotransfer.models.source import Source
from autotransfer.plugin.testing import shapes, tiny_readers, tiny_source
from autotransfer.search import pool as module
from autotransfer.search.deployment_limits import ResultLimits
from autotransfer.search.pool import (
    OBVIOUS,
    TimeLeft,
    beginning,
    best_subset,
    read_all,
    read_parts,
)

IMAGES = shapes(3, 4)
HELD_OUT = shapes(3, 10, seed=1)
NAMES = ("one", "two", "three")
SOURCES = tuple(tiny_source(name, seed=seed) for seed, name in enumerate(NAMES))
ENDLESS = TimeLeft(None, 0.0)


class _Reader:
    """Features of items that are read at a pace, and how many were asked for."""

    def __init__(
        self, name: str, pace: float | None, *, broken: bool = False, cached: bool = False
    ) -> None:
        self.name, self.pace, self.broken, self.cached = name, pace, broken, cached
        self.read = list[int]()

    def missing(self, images: ImageSet) -> int:
        return 0 if self.cached else len(images)

    def __call__(self, images: ImageSet, stage: int | None = None) -> NDArray[np.float64]:
        if self.broken:
            raise InvalidSourceError("the weights do not fit")
        self.read.append(len(images))
        return np.zeros((len(images), 1))


class _Readers:
    """Readers by the name of their source."""

    mean_pace: float | None = None

    def __init__(self, *readers: _Reader) -> None:
        self.readers = {reader.name: reader for reader in readers}

    def __getitem__(self, source: Source) -> _Reader:
        return self.readers[source.name]

    def release(self) -> None:
        pass


def _read(
    readers: _Readers,
    time_left: TimeLeft,
    needed: Sequence[str] = ("one",),
) -> tuple[list[str], dict[str, str]]:
    given: Any = readers
    found, skipped = read_all(SOURCES, needed, [IMAGES], HELD_OUT, given, time_left=time_left)
    assert all(skip.strategy == OBVIOUS for skip in skipped)
    return [source.name for source in found], {skip.source: skip.reason for skip in skipped}


def _paced(*paces: float | None) -> _Readers:
    return _Readers(*(_Reader(name, pace) for name, pace in zip(NAMES, paces, strict=True)))


def test_without_a_limit_every_source_is_read() -> None:
    readers = _paced(1.0, 1.0, 1.0)
    assert _read(readers, ENDLESS) == (list(NAMES), {})
    assert [readers.readers[name].read for name in NAMES] == [[12]] * 3


def test_a_source_without_time_is_left_out_and_named_and_a_faster_one_is_read() -> None:
    # twelve items: 12000 s for the second source, which are not there, 12 ms for the third
    readers = _paced(1000.0, 1000.0, 0.001)
    time_left = TimeLeft(time.monotonic() + 60, 1e9)
    found, reasons = _read(readers, time_left)
    assert found == ["one", "three"]  # the first one is needed whatever it takes
    assert "no time was left to read its features of 12 more items (12000 s)" in reasons["two"]
    assert readers.readers["two"].read == []


def test_the_held_out_items_of_all_sources_have_to_fit_together() -> None:
    # thirty of them: 3 s for each source, of 7 s
    found, reasons = _read(_paced(0.1, 0.1, 0.1), TimeLeft(time.monotonic() + 600, 7.0))
    assert found == ["one", "two"]
    assert "no time would be left to test it on the held-out items (9 s)" in reasons["three"]


def test_held_out_items_that_a_cache_has_take_no_time() -> None:
    readers = _Readers(*(_Reader(name, None, cached=True) for name in NAMES))
    assert _read(readers, TimeLeft(time.monotonic() + 60, 0.1)) == (list(NAMES), {})


def test_a_source_that_never_ran_is_taken_to_be_as_slow_as_the_mean() -> None:
    readers = _paced(1.0, None, None)
    readers.mean_pace = 1000.0
    assert _read(readers, TimeLeft(time.monotonic() + 60, 1e9))[0] == ["one"]
    readers.mean_pace = None
    assert _read(readers, TimeLeft(time.monotonic() + 60, 1e9))[0] == list(NAMES)


def test_a_source_that_cannot_be_read_is_left_out_and_named() -> None:
    readers = _Readers(
        _Reader("one", 1.0), _Reader("two", 1.0, broken=True), _Reader("three", 1.0)
    )
    assert _read(readers, ENDLESS) == (["one", "three"], {"two": "the weights do not fit"})


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[float]], None]:
    """A function that says what the probes of the three sources have lost."""

    def tell(values: Sequence[float]) -> None:
        told = iter(values)

        class _Fitted:
            def __init__(self, *_: object) -> None:
                self.loss = next(told)

            def log_loss(self, _labels: NDArray[np.int64]) -> float:
                return self.loss

        monkeypatch.setattr(module, "fit_unit_ridge", lambda *_: (_Fitted(), None))

    return tell


def test_the_best_probes_that_fit_together_are_put_together(
    tmp_path: Path, losses: Callable[[Sequence[float]], None]
) -> None:
    losses([0.7, 0.5, 0.6])
    readers = tiny_readers(tmp_path)
    size = readers[SOURCES[0]].layout.megabytes
    limits = ResultLimits(2.5 * size, None, readers, IMAGES)
    found = best_subset(SOURCES, IMAGES, readers, limits)
    assert [source.name for source in found] == ["two", "three"]


def test_a_large_source_gives_way_to_smaller_ones_behind_it(
    tmp_path: Path, losses: Callable[[Sequence[float]], None]
) -> None:
    losses([0.7, 0.5, 0.6])
    readers = tiny_readers(tmp_path)
    size = readers[SOURCES[0]].layout.megabytes
    large = replace(SOURCES[1], architecture="resnet10t", kwargs={"num_classes": 0})
    limits = ResultLimits(2.5 * size, None, readers, IMAGES)
    found = best_subset((SOURCES[0], large, SOURCES[2]), IMAGES, readers, limits)
    assert [source.name for source in found] == ["three", "one"]


def test_what_a_needed_source_has_yet_to_read_is_not_given_to_others() -> None:
    # 12 s for each: the second one is needed, so that there is no time for the first
    found, reasons = _read(_paced(1.0, 1.0, 1.0), TimeLeft(time.monotonic() + 20, 1e9), ("two",))
    assert (found, set(reasons)) == (["two", "three"], {"one"})


def test_as_many_items_are_read_as_there_is_time_for_and_a_few_of_every_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Slow(_Reader):
        """Takes ten seconds to load, then one for an item."""

        @override
        def __call__(self, images: ImageSet, stage: int | None = None) -> NDArray[np.float64]:
            clock.append(clock[-1] + len(images) + (0 if self.read else 10))
            return super().__call__(images, stage)

    parts = [IMAGES, shapes(3, 8)]  # 12 and 24 items
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[-1])

    def counts(deadline: float | None) -> list[int]:
        clock.append(0.0)
        reader: Any = Slow("one", 1.0)
        return read_parts(parts, reader, deadline, 0)

    assert counts(None) == counts(37.0) == [12, 24]
    # 19 s for nine items and the network, more than their share; then nine, and a second piece
    assert counts(35.0) == [9, 18]
    assert counts(0.0) == counts(-9.0) == [9, 9]  # three of each of three classes
    for part in parts:
        first = part.labels[beginning(part, 9, 0)]
        assert np.bincount(first).tolist() == [3, 3, 3]
