from __future__ import annotations

import pytest
from typing_extensions import override

from autotransfer.strategy import Strategy
from autotransfer.testing import StrategyContract
from autotransfer_selective import SelectiveTransfer


class TestSelectiveTransfer(StrategyContract):
    @override
    @pytest.fixture
    def strategy(self) -> Strategy:
        return SelectiveTransfer()
