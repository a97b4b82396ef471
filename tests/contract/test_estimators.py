from __future__ import annotations

import pytest
from typing_extensions import override

from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.plugin.registry import discover
from autotransfer.plugin.testing import EstimatorContract

ESTIMATORS = discover().estimators


class TestInstalledEstimators(EstimatorContract):
    @override
    @pytest.fixture(params=sorted(ESTIMATORS))
    def estimator(self, request: pytest.FixtureRequest) -> TransferabilityEstimator:
        return ESTIMATORS[request.param]
