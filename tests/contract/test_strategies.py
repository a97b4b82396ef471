from __future__ import annotations

import pytest
from typing_extensions import override

from autotransfer.registry import discover
from autotransfer.strategy import Strategy
from autotransfer.testing import StrategyContract

STRATEGIES = discover().strategies


class TestInstalledStrategies(StrategyContract):
    @override
    @pytest.fixture(params=sorted(STRATEGIES))
    def strategy(self, request: pytest.FixtureRequest) -> Strategy:
        return STRATEGIES[request.param]
