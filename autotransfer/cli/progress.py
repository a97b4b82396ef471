"""What a fit shows while it runs: plain lines, or a live display where there is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text
from typing_extensions import override

from autotransfer.cli.groups import filled
from autotransfer.cli.options import say
from autotransfer.models.metrics import METRICS, Metric
from autotransfer.results import Outcome

SHOWN = 5  # trials of the live leaderboard
LINES = 3  # of a note that stays
PARTS = {
    "open": "opened and checked",
    "rank": "sources ranked",
    "search": "searched",
    "guard": "tested by the guard",
}
NOW = {
    "open": "opening and checking the images",
    "rank": "ranking the sources",
    "search": "searching",
    "guard": "training the finalist and testing it",
    "end": "writing the model, the report and MLflow",
}


class Plain:
    """Lines on standard error, as they come."""

    def say(self, text: str) -> None:
        """Print the line."""
        say(text)

    def on_part(self, part: str, seconds: float) -> None:
        """Print nothing: the lines say what begins."""

    def on_outcome(self, outcome: Outcome) -> None:
        """Print nothing: there is a line of it."""


def callbacks(progress: Plain) -> dict[str, Callable[..., None]]:
    """Return the options of a fit that tell somebody about it."""
    return {"say": progress.say, "on_part": progress.on_part, "on_outcome": progress.on_outcome}


@contextmanager
def progress_of(metric: str, seconds: float | None, trials: int | None = None) -> Iterator[Plain]:
    """Yield what shows a fit: live where standard error is a terminal, else plain lines.

    Args:
        metric: Name of the score of the trials.
        seconds: Time of the fit; None is no limit.
        trials: Number of trials; None is no limit.
    """
    if not sys.stderr.isatty():
        yield Plain()
        return
    console = Console(stderr=True)
    shown = LiveProgress(METRICS.get(metric), seconds, console.print, num_trials=trials)
    with Live(console=console, get_renderable=shown.render, refresh_per_second=2, transient=True):
        yield shown


class LiveProgress(Plain):
    """A line for each stage that is done, the stage that runs, and the best trials so far.

    Args:
        metric: The score of the trials; None for one without labels.
        seconds: Time of the fit; None is no limit.
        keep: Prints a line that stays.
        clock: Seconds that only go forward.
        num_trials: Number of trials that there will be; None is no limit.
    """

    def __init__(
        self,
        metric: Metric | None,
        seconds: float | None,
        keep: Callable[..., Any],
        clock: Callable[[], float] = time.monotonic,
        *,
        num_trials: int | None = None,
    ) -> None:
        self._num_trials = num_trials
        self._metric, self._seconds, self._keep, self._clock = metric, seconds, keep, clock
        self._began = clock()
        self._waiting = list(NOW)
        self._last = ""
        self._notes: list[str] = []  # of the images, which are told once and stay
        self._trials = 0
        self._outcomes: list[Outcome] = []

    @override
    def say(self, text: str) -> None:
        """Show the line until the next one."""
        self._last = text.splitlines()[0] if text else ""
        if self._waiting[:1] == ["open"] and self._last:
            self._notes.append(self._last)

    @override
    def on_part(self, part: str, seconds: float) -> None:
        """Keep a line of the part that is done, and go on to the next."""
        told = "" if part == "guard" else self._told(part)
        line = f"{PARTS.get(part, part)} in {seconds:.0f} s{told}"
        self._keep(Text("\n".join(filled(line, "", "  ")[:LINES])))
        for note in self._notes if part == "open" else ():
            self._keep(Text("\n".join(filled(note, "  ")[:LINES])))
        self._notes = []
        if part in self._waiting:
            self._waiting = self._waiting[self._waiting.index(part) + 1 :]
        self._last = ""

    @override
    def on_outcome(self, outcome: Outcome) -> None:
        """Put a finished trial into the leaderboard."""
        self._trials += not outcome.probe
        self._outcomes.append(outcome)

    def leaders(self) -> list[Outcome]:
        """Return the best trials so far; of equal points the first."""
        complete = [o for o in self._outcomes if o.value is not None and not o.unfit]
        complete.sort(key=lambda o: (-(o.value or 0.0), o.log_loss or 0.0))
        best: dict[tuple[str, str], Outcome] = {}
        for outcome in complete:
            best.setdefault((outcome.source, outcome.strategy), outcome)
        return list(best.values())[:SHOWN]

    def time_text(self) -> str:
        """Return "1:05 of 10:00", or the time so far where there is no limit."""
        spent = self._clock() - self._began
        if self._seconds is None:
            return _minutes(spent)
        left = max(self._seconds - spent, 0.0)
        return f"{_minutes(spent)}, {_minutes(left)} left"

    def render(self) -> RenderableType:
        """Return what is on the screen now."""
        part = self._waiting[0] if self._waiting else "end"
        head = Spinner("dots", Text(f"{NOW[part]} ({self.time_text()})"))
        most = self._num_trials if part == "search" else None
        return Group(head, *([] if most is None else [self._bar(most)]), *self._rest())

    def _bar(self, num_trials: int) -> RenderableType:
        row = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=num_trials, completed=self._trials, width=30)
        row.add_row("", bar, Text(f"trial {self._trials} of {num_trials}"))
        return row

    def _rest(self) -> list[RenderableType]:
        last = Text(f"  {self._last}", style="dim", overflow="ellipsis", no_wrap=True)
        leaders = self.leaders()
        return [last, *([self._table(leaders)] if leaders else [])]

    def _table(self, leaders: list[Outcome]) -> RenderableType:
        title = "score" if self._metric is None else self._metric.title
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
        table.add_column(title, justify="right")
        table.add_column("source")
        table.add_column("strategy")
        table.add_column("", justify="right")
        for outcome in leaders:
            value = outcome.value or 0.0
            shown = value if self._metric is None else self._metric.display(value)
            cells = (f"{shown:.3f}", outcome.source, outcome.strategy, f"{outcome.seconds:.1f} s")
            table.add_row(*(Text(cell, overflow="ellipsis", no_wrap=True) for cell in cells))
        return table

    def _told(self, part: str) -> str:
        if part == "search":
            probes = len(self._outcomes) - self._trials
            return f": {probes} probes, {self._trials} trials"
        return f": {self._last}" if part == "rank" and self._last else ""


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
