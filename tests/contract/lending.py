"""One fit of a strategy for all promises that only look at what it has learnt."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from autotransfer.models.predictors.base import Predictor
from autotransfer.plugin.strategy import Strategy, Task
from autotransfer.plugin.testing import StrategyContract, Workbench
from autotransfer.plugin.testing.promises import Promise
from autotransfer.plugin.testing.strategy_promises import STRATEGY_PROMISES
from autotransfer.plugin.testing.workbench import EFFORT
from autotransfer.results import ParamValue

# What can be told of a predictor that has learnt something. All else is about the fit itself.
LOOKING = (
    "a-row-an-item-sums-to-one",
    "what-is-saved-lies-on-the-cpu",
    "a-saved-predictor-predicts-the-same",
    "training-items-are-predicted-better-than-chance",
)
SHORTER = 0.02  # of the default effort: twenty steps draw, write and report what many do


@dataclass
class Lent:
    """The task of the default size and what was learnt from it, once something asks.

    Args:
        bench: Where it is learnt.
    """

    bench: Workbench
    _task: Task | None = None
    _predictor: Predictor | None = None

    @property
    def task(self) -> Task:
        """Return the task."""
        if self._task is None:
            self._task = self.bench.task()
        return self._task

    @property
    def predictor(self) -> Predictor:
        """Return what was learnt from it."""
        if self._predictor is None:
            self._predictor = self.bench.fit(self.task)
        return self._predictor


@dataclass(frozen=True)
class LendingBench(Workbench):
    """A workbench whose fit of the default task is the lent one."""

    lent: Lent = field(kw_only=True)

    @override
    def task(self, num_classes: int = 3, per_class: int = 6) -> Task:
        assert (num_classes, per_class) == (3, 6)
        return self.lent.task

    @override
    def fit(self, task: Task, **options: Any) -> Predictor:
        assert task is self.lent.task
        assert not options
        return self.lent.predictor


@dataclass(frozen=True)
class ShortBench(Workbench):
    """A workbench that trains for a few steps."""

    @override
    def params(self, task: Task) -> dict[str, ParamValue]:
        params = super().params(task)
        return params | {EFFORT: SHORTER} if EFFORT in params else params


assert {promise.name for promise in STRATEGY_PROMISES} >= set(LOOKING)
_LENT: dict[str, Lent] = {}


class LendingContract(StrategyContract):
    """The contract of strategies with fits that are lent; override the fixture `strategy`."""

    @override
    @pytest.fixture
    def bench(
        self,
        strategy: Strategy,
        tmp_path: Path,
        tmp_path_factory: pytest.TempPathFactory,
        request: pytest.FixtureRequest,
    ) -> Workbench:
        """Return a workbench that lends to a promise that only looks, else one that fits."""
        params = getattr(request.node, "callspec", None)
        promise: Promise[Workbench] | None = params.params.get("promise") if params else None
        if promise is not None and promise.name not in LOOKING:
            return ShortBench(strategy, tmp_path / "bench")
        if strategy.name not in _LENT:
            folder = tmp_path_factory.mktemp("lent")
            _LENT[strategy.name] = Lent(Workbench(strategy, folder))
        return LendingBench(strategy, tmp_path / "bench", lent=_LENT[strategy.name])
