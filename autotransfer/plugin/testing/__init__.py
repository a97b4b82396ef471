"""Contract tests and tiny data for plugin authors.

Inherit a contract and override one fixture::

    class TestMine(StrategyContract):
        @pytest.fixture
        def strategy(self):
            return Mine()

`check_strategy` and `check_estimator` try the same promises without pytest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from autotransfer.plugin.testing.checking import Finding, check_estimator, check_strategy
from autotransfer.plugin.testing.tiny import (
    phrases,
    shapes,
    task_for,
    tiny_readers,
    tiny_source,
    tiny_task,
    tones,
)
from autotransfer.plugin.testing.workbench import Workbench

if TYPE_CHECKING:
    from autotransfer.plugin.testing.estimator_contract import EstimatorContract
    from autotransfer.plugin.testing.strategy_contract import StrategyContract

# These import pytest, which only those who test need.
_CONTRACTS = {
    "EstimatorContract": "autotransfer.plugin.testing.estimator_contract",
    "StrategyContract": "autotransfer.plugin.testing.strategy_contract",
}

__all__ = [
    "EstimatorContract",
    "StrategyContract",
    "Finding",
    "Workbench",
    "check_estimator",
    "check_strategy",
    "phrases",
    "shapes",
    "task_for",
    "tiny_readers",
    "tiny_source",
    "tiny_task",
    "tones",
]


def __getattr__(name: str) -> Any:
    if name in _CONTRACTS:
        return getattr(importlib.import_module(_CONTRACTS[name]), name)
    raise AttributeError(f"module 'autotransfer.plugin.testing' has no attribute {name!r}")
