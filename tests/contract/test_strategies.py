from __future__ import annotations

import pytest
from typing_extensions import override

from autotransfer.problem import Need
from autotransfer.registry import discover
from autotransfer.strategy import Strategy
from autotransfer.testing import StrategyContract

# strategies that need more than a labelled target have a contract test of their own
STRATEGIES = {
    name: strategy
    for name, strategy in discover().strategies.items()
    if not {Need.SOURCE_IMAGES, Need.COMPANIONS, Need.ATTRIBUTES} & strategy.needs
}


class TestInstalledStrategies(StrategyContract):
    @override
    @pytest.fixture(params=sorted(STRATEGIES))
    def strategy(self, request: pytest.FixtureRequest) -> Strategy:
        return STRATEGIES[request.param]
