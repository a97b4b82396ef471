from __future__ import annotations

import pytest
from _pytest.mark.structures import ParameterSet
from typing_extensions import override

from autotransfer.problem import Setting
from autotransfer.registry import discover
from autotransfer.strategy import Strategy
from autotransfer.testing import StrategyContract

# of those without target labels, which share all code but the loss, three are tried always
TRIED_ALWAYS = ("dann", "shot", "feature-transport")


def _param(strategy: Strategy) -> ParameterSet:
    alike = Setting.UNLABELLED in strategy.settings and strategy.name not in TRIED_ALWAYS
    return pytest.param(strategy, id=strategy.name, marks=(pytest.mark.slow,) if alike else ())


STRATEGIES = [_param(strategy) for _, strategy in sorted(discover().strategies.items())]


class TestInstalledStrategies(StrategyContract):
    @override
    @pytest.fixture(params=STRATEGIES)
    def strategy(self, request: pytest.FixtureRequest) -> Strategy:
        found = request.param
        assert isinstance(found, Strategy)
        return found
