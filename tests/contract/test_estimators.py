from __future__ import annotations

import pytest
from typing_extensions import override

from autotransfer.registry import discover
from autotransfer.testing import EstimatorContract
from autotransfer.transferability.estimator import TransferabilityEstimator

ESTIMATORS = discover().estimators


class TestInstalledEstimators(EstimatorContract):
    @override
    @pytest.fixture(params=sorted(ESTIMATORS))
    def estimator(self, request: pytest.FixtureRequest) -> TransferabilityEstimator:
        return ESTIMATORS[request.param]
