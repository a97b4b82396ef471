"""How many images a source is ranked on where the time is short."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from autotransfer.plugin.testing import shapes
from autotransfer.scenarios.unlabelled import ranking as module


@pytest.mark.parametrize(("others", "shown"), [(0, 100), (1, 50), (99, 40)])
def test_in_a_hurry_the_first_source_leaves_the_others_their_share_of_the_time(
    monkeypatch: pytest.MonkeyPatch, others: int, shown: int
) -> None:
    time = SimpleNamespace(now=1000.0)
    time.monotonic = lambda: time.now
    monkeypatch.setattr(module, "time", time)

    def read(images: Any) -> None:
        time.now += 0.0625 * len(images)

    class Reader:
        pace, __call__ = 0.0625, staticmethod(read)
        missing = staticmethod(len)

    images = shapes(2, 60)
    seconds = 2 * 0.0625 * 100  # of both domains
    found = module._affordable(Reader(), images, images, seconds, others)  # type: ignore[arg-type]
    assert [len(part) for part in found] == [shown, shown]
