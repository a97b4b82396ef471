"""How many points a search has."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from autotransfer.data.modality import Modality
from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.plugin.presets import Preset
from autotransfer.plugin.registry import discover
from autotransfer.plugin.space import Parameter, SearchSpace
from autotransfer.plugin.testing import tiny_source
from autotransfer.search.arms import Arms, Terms, arms_of
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


@pytest.mark.parametrize(
    ("modality", "named", "reason"),
    [
        ("sound", (), "is tried on sounds by name (--strategy fine-tune)"),
        ("sound", ("fine-tune",), ""),
        ("text", (), ""),
    ],
)
def test_what_is_tried_on_request_waits_for_its_name(
    modality: str, named: tuple[str, ...], reason: str
) -> None:
    strategies = discover(files=[]).strategies
    tried = [strategies["fine-tune"], strategies["feature-extraction"]]
    terms = Terms(
        num_images=30,
        num_classes=3,
        per_class=10.0,
        source_images=False,
        has_head=lambda _: False,
        named=named,
        modality=Modality(modality),
    )
    preset = Preset(Path("any.toml"), "", None, {}, {})
    arms, skipped = arms_of([tiny_source(modality=terms.modality)], tried, preset, terms)
    assert [(skip.strategy, skip.reason) for skip in skipped] == (
        [("fine-tune", reason)] if reason else []
    )
    assert ("fine-tune" in {strategy.name for strategy in arms.strategies}) == (not reason)
