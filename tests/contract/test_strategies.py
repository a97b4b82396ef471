from __future__ import annotations

import numpy as np
import pytest
from typing_extensions import override

from autotransfer.data.modality import Modality
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import Strategy
from autotransfer.plugin.testing import Workbench
from autotransfer.plugin.testing.promises import Promise
from autotransfer.plugin.testing.strategy_promises import STRATEGY_PROMISES
from autotransfer.results import ScenarioKind
from autotransfer_adaptation.two_domains import TwoDomains
from tests.contract.lending import LendingContract

# What the loop that several strategies have in common owes the core is tried with two of them,
# and everything else, which depends on their losses, with each.
OF_THE_LOOP = {
    "the-training-items-stay-as-they-are",
    "pruning-passes-through",
    "a-deadline-in-the-past-is-honoured",
}
WHOLE = {"dann", "shot"}

INSTALLED = {n: s for n, s in discover().strategies.items() if s.reads(Modality.IMAGE)}
ALIKE = {n for n, s in INSTALLED.items() if type(s).fit is TwoDomains.fit} - WHOLE
ADAPTING = {n for n, s in INSTALLED.items() if ScenarioKind.UNLABELLED in s.scenarios}


class TestLabelledStrategies(LendingContract):
    @override
    @pytest.fixture(params=sorted(INSTALLED.keys() - ADAPTING))
    def strategy(self, request: pytest.FixtureRequest) -> Strategy:
        return INSTALLED[request.param]


class _Adaptation(LendingContract):
    """Strategies for a target without labels also embed images, for the validators."""

    def test_it_embeds_every_picture(self, bench: Workbench) -> None:
        task = bench.task()
        rows = bench.fit(task).embed(task.train, task.features)
        assert len(rows) == len(task.train)
        assert np.isfinite(rows).all()


class TestAdaptation(_Adaptation):
    @override
    @pytest.fixture(params=sorted(ADAPTING - ALIKE))
    def strategy(self, request: pytest.FixtureRequest) -> Strategy:
        return INSTALLED[request.param]


class TestAdaptationWithTheSameLoop(_Adaptation):
    @override
    @pytest.fixture(params=sorted(ALIKE))
    def strategy(self, request: pytest.FixtureRequest) -> Strategy:
        return INSTALLED[request.param]

    @override
    @pytest.mark.parametrize(
        "promise",
        [p for p in STRATEGY_PROMISES if p.name not in OF_THE_LOOP],
        ids=lambda promise: promise.name,
    )
    def test_it_keeps_the_promise(self, promise: Promise[Workbench], bench: Workbench) -> None:
        super().test_it_keeps_the_promise(promise, bench)


def test_the_promises_of_the_loop_are_promises_and_tried_with_some_strategy() -> None:
    assert {p.name for p in STRATEGY_PROMISES} >= OF_THE_LOOP
    assert all(type(INSTALLED[name]).fit is TwoDomains.fit for name in WHOLE)
    assert sorted(ALIKE) == ["adabn", "cdan", "deep-coral", "mcc", "source-only"]
