from __future__ import annotations

import pytest

from autotransfer.registry import discover
from autotransfer.strategy import Strategy
from autotransfer.testing import StrategyContract

STRATEGIES = discover().strategies


class TestInstalledStrategies(StrategyContract):
    @pytest.fixture(params=sorted(STRATEGIES))
    def strategy(self, request: pytest.FixtureRequest) -> Strategy:
        return STRATEGIES[request.param]
