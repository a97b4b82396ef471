"""Where the promises of a strategy are tried: generated items and a tiny network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from autotransfer.models.predictors.base import Predictor
from autotransfer.plugin.space import fixed
from autotransfer.plugin.strategy import Report, Strategy, Task, Trial
from autotransfer.plugin.testing.promises import demand
from autotransfer.plugin.testing.tiny import task_for
from autotransfer.results import ParamValue

# A parameter of this name multiplies the length of a training. No promise depends on it.
EFFORT = "effort"
_SHORT = 0.08


def _ignore(_progress: float, _predictor: Predictor, /) -> None:
    """Take a report and do nothing."""


@dataclass(frozen=True)
class Workbench:
    """A strategy and everything that its promises need.

    Args:
        folder: An empty folder for feature caches and saved predictors.
        build: Returns a task from (strategy, folder, classes, items a class); override it for
            a strategy that wants something that `task_for` does not give.
    """

    strategy: Strategy
    folder: Path
    build: Callable[[Strategy, Path, int, int], Task] = field(default=task_for)

    def task(self, num_classes: int = 3, per_class: int = 6) -> Task:
        """Return a small task with all that the strategy needs."""
        cache = self.folder / f"cache-{num_classes}-{per_class}"
        return self.build(self.strategy, cache, num_classes, per_class)

    def params(self, task: Task) -> dict[str, ParamValue]:
        """Return the default point of the space, with as short a training as will do."""
        space = self.strategy.space(task.info)
        if EFFORT in space.parameters:
            space = space.with_parameter(EFFORT, fixed(_SHORT))
        return space.defaults()

    def fit(
        self, task: Task, *, report: Report = _ignore, deadline: float | None = None, seed: int = 0
    ) -> Predictor:
        """Return what the strategy learns from the task at its default point.

        Raises:
            BrokenPromiseError: If that is no predictor, the cause of whatever else would go wrong.
        """
        found = self.strategy.fit(task, Trial(self.params(task), report, deadline, seed))
        demand(
            isinstance(found, Predictor),
            f"fit() returned a {type(found).__name__}, which is no Predictor",
            "return a Predictor from fit(), such as heads.HeadPredictor(head, stage)",
        )
        return found
