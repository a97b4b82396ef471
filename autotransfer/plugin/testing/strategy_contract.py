"""The promises of a strategy as tests for pytest."""

from __future__ import annotations

from pathlib import Path

import pytest

from autotransfer.plugin.strategy import Strategy, Task
from autotransfer.plugin.testing.promises import DoesNotApply, Promise
from autotransfer.plugin.testing.strategy_promises import STRATEGY_PROMISES
from autotransfer.plugin.testing.workbench import Workbench


class StrategyContract:
    """Inherit and override the fixture `strategy`; works in every setting."""

    @pytest.fixture
    def strategy(self) -> Strategy:
        """Return the strategy to test."""
        raise NotImplementedError("override the fixture `strategy`")

    @pytest.fixture
    def bench(self, strategy: Strategy, tmp_path: Path) -> Workbench:
        """Return the workbench of the strategy."""
        return Workbench(strategy, tmp_path / "bench")

    @pytest.fixture
    def task(self, bench: Workbench) -> Task:
        """Return a small task with all that the strategy needs, for tests of your own."""
        return bench.task()

    @pytest.mark.parametrize("promise", STRATEGY_PROMISES, ids=lambda promise: promise.name)
    def test_it_keeps_the_promise(self, promise: Promise[Workbench], bench: Workbench) -> None:
        try:
            promise.keep(bench)
        except DoesNotApply as reason:
            pytest.skip(str(reason))
