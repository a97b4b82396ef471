"""Contract tests and tiny data for plugin authors.

Inherit a contract and override one fixture::

    class TestMine(StrategyContract):
        @pytest.fixture
        def strategy(self):
            return Mine()
"""

from autotransfer.testing.estimator_contract import EstimatorContract
from autotransfer.testing.strategy_contract import StrategyContract
from autotransfer.testing.tiny import shapes, tiny_readers, tiny_source, tiny_task

__all__ = [
    "EstimatorContract",
    "StrategyContract",
    "shapes",
    "tiny_readers",
    "tiny_source",
    "tiny_task",
]
