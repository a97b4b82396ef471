"""Who runs trials: the one face of inline, process slots and clusters."""

from __future__ import annotations

from typing import Protocol

from autotransfer.search.trial import TrialContext, TrialResult, TrialSpec


class Executor(Protocol):
    """Runs trials; the driver is its only caller.

    Attributes:
        slots: How many trials it runs at a time.
    """

    @property
    def slots(self) -> int:
        """Return how many trials run at a time."""
        ...

    def submit(self, spec: TrialSpec) -> None:
        """Start a trial; no more than `slots` are ever in flight."""
        ...

    def wait(self) -> list[TrialResult]:
        """Return the results of one or more trials, as soon as there is one."""
        ...

    def close(self) -> None:
        """End what is still running and give back what was taken."""
        ...


class InlineExecutor:
    """Runs each trial in the driver's own process, when its result is asked for."""

    slots = 1

    def __init__(self, context: TrialContext) -> None:
        self._context = context
        self._waiting: list[TrialSpec] = []

    def submit(self, spec: TrialSpec) -> None:
        """Take a trial."""
        self._waiting.append(spec)

    def wait(self) -> list[TrialResult]:
        """Run the trial."""
        return [self._context.run(self._waiting.pop(0))]

    def close(self) -> None:
        """Forget what was not begun."""
        self._waiting.clear()
