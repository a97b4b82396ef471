"""The promises of a transferability estimator as tests for pytest."""

from __future__ import annotations

import pytest

from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.plugin.testing.estimator_promises import ESTIMATOR_PROMISES
from autotransfer.plugin.testing.promises import DoesNotApply, Promise


class EstimatorContract:
    """Inherit and override the fixture `estimator`."""

    @pytest.fixture
    def estimator(self) -> TransferabilityEstimator:
        """Return the estimator to test."""
        raise NotImplementedError("override the fixture `estimator`")

    @pytest.mark.parametrize("promise", ESTIMATOR_PROMISES, ids=lambda promise: promise.name)
    def test_it_keeps_the_promise(
        self, promise: Promise[TransferabilityEstimator], estimator: TransferabilityEstimator
    ) -> None:
        try:
            promise.keep(estimator)
        except DoesNotApply as reason:
            pytest.skip(str(reason))
