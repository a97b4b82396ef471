"""What every transferability estimator owes the core."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autotransfer.errors import UndefinedScoreError
from autotransfer.problem import Need
from autotransfer.transferability.estimator import TransferabilityEstimator
from autotransfer.transferability.statistics import Statistics


class EstimatorContract:
    """Inherit and override the fixture `estimator`."""

    @pytest.fixture
    def estimator(self) -> TransferabilityEstimator:
        """Return the estimator to test."""
        raise NotImplementedError("override the fixture `estimator`")

    def _statistics(self, *, n: int = 60, d: int = 8, head: bool = True) -> Statistics:
        rng = np.random.default_rng(0)
        labels = np.arange(n) % 3
        features = rng.normal(size=(n, d)) + 2.0 * np.eye(3, d)[labels]
        probabilities = rng.dirichlet(np.ones(5), size=n)
        return Statistics.of(features.astype(np.float32), labels, probabilities if head else None)

    def test_the_score_is_a_finite_number(self, estimator: TransferabilityEstimator) -> None:
        assert math.isfinite(estimator.score(self._statistics()))

    def test_the_same_statistics_give_the_same_score(
        self, estimator: TransferabilityEstimator
    ) -> None:
        first, second = self._statistics(), self._statistics()
        assert estimator.score(first) == pytest.approx(estimator.score(second), rel=1e-12)

    @pytest.mark.filterwarnings("ignore::autotransfer.errors.DataWarning")
    def test_fewer_pictures_than_features_give_a_number_or_say_why_not(
        self, estimator: TransferabilityEstimator
    ) -> None:
        try:
            assert math.isfinite(estimator.score(self._statistics(n=12, d=40)))
        except UndefinedScoreError as reason:
            assert str(reason)

    def test_it_says_when_it_needs_a_head(self, estimator: TransferabilityEstimator) -> None:
        if Need.SOURCE_HEAD not in estimator.needs:
            pytest.skip("it needs no head")
        with pytest.raises(UndefinedScoreError):
            estimator.score(self._statistics(head=False))
