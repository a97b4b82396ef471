from __future__ import annotations

import pytest
from typing_extensions import override

from autotransfer.problem import Need, Setting
from autotransfer.registry import discover
from autotransfer.strategy import Strategy
from autotransfer.testing import StrategyContract

# strategies that need more than a labelled target have a contract test of their own
MORE = {Need.SOURCE_IMAGES, Need.COMPANIONS, Need.ATTRIBUTES, Need.UNLABELLED_TARGET}
STRATEGIES = {
    name: strategy
    for name, strategy in discover().strategies.items()
    if not MORE & strategy.needs and Setting.LABELLED in strategy.settings
}


class TestInstalledStrategies(StrategyContract):
    @override
    @pytest.fixture(params=sorted(STRATEGIES))
    def strategy(self, request: pytest.FixtureRequest) -> Strategy:
        return STRATEGIES[request.param]
