"""How many points a search has."""

from __future__ import annotations

import math

import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.plugin.space import Parameter, SearchSpace
from autotransfer.plugin.testing import tiny_source
from autotransfer.search.arms import Arms
from autotransfer.search.initial_points import portfolio
from tests.unit.told import Teller

HEAD = Parameter(CategoricalDistribution(("ridge", "knn", "mean")), "ridge")
SIZE = Parameter(IntDistribution(1, 4), 1)
RATE = Parameter(FloatDistribution(0.0, 1.0), 0.5)


def _arms(space: SearchSpace) -> Arms:
    teller = Teller(lambda *_: MajorityPredictor)  # type: ignore[arg-type]
    sources = tiny_source("one"), tiny_source("two", seed=1)
    return Arms(sources, (teller,), {"teller": space})


@pytest.mark.parametrize(
    ("space", "points"),
    [
        (SearchSpace.of(head=HEAD, size=SIZE), 12),
        (SearchSpace.of(head=HEAD, size=SIZE.only_where(head=("knn", "mean"))), 9),
        (SearchSpace.of(size=SIZE, head=HEAD.only_where(size=(4,))), 6),
        (SearchSpace.of(head=HEAD, rate=RATE.only_where(head=("knn",))), math.inf),
        (SearchSpace.of(head=HEAD, rate=RATE.only_where(head=("another",))), 3),
    ],
)
def test_values_of_parameters_without_effect_are_no_further_points(
    space: SearchSpace, points: float
) -> None:
    arms = _arms(space)
    assert arms.num_points == 2 * points
    if points < math.inf:
        different = {(rank, *params.items()) for rank, _, params in portfolio(arms)}
        assert len(different) == 2 * points
