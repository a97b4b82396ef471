"""One fit of a strategy for all promises that only look at what it has learnt."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from autotransfer.strategy import Predictor, Strategy, Task
from autotransfer.testing import StrategyContract, Workbench
from autotransfer.testing.promises import Promise

# These compare what is around a fit before it with what is there after it.
WATCHING = ("the-global-generators-are-left-alone", "the-training-pictures-stay-as-they-are")


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
    """A workbench whose first plain fit of the default task is the lent one.

    A promise that fits twice, as the one about seeds does, really fits the second time.
    """

    lent: Lent = field(kw_only=True)
    _taken: list[Predictor] = field(default_factory=list)

    @override
    def task(self, num_classes: int = 3, per_class: int = 6) -> Task:
        if (num_classes, per_class) == (3, 6):
            return self.lent.task
        return super().task(num_classes, per_class)

    @override
    def fit(self, task: Task, **options: Any) -> Predictor:
        if options or self._taken or task is not self.lent.task:
            return super().fit(task, **options)
        self._taken.append(self.lent.predictor)
        return self.lent.predictor


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
        """Return a workbench of its own for a promise that watches a fit, else one that lends."""
        params = getattr(request.node, "callspec", None)
        promise: Promise[Workbench] | None = params.params.get("promise") if params else None
        if promise is not None and promise.name in WATCHING:
            return Workbench(strategy, tmp_path / "bench")
        if strategy.name not in _LENT:
            folder = tmp_path_factory.mktemp("lent")
            _LENT[strategy.name] = Lent(Workbench(strategy, folder))
        return LendingBench(strategy, tmp_path / "bench", lent=_LENT[strategy.name])
