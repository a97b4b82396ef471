"""Regret against cost of search rules, replayed over a recorded table of real trials.

    python -m tests.benchmarks.search_efficiency record TABLE CATALOGUE IMAGES... [--plugin F]
        [--source NAME]... [--side 96] [--minutes 60]
    python -m tests.benchmarks.search_efficiency replay TABLE [--seeds 20] [--target NAME]...

`record` fills the folder TABLE (outside the repository; see `search_table.py`); it may be stopped
and goes on where it was. Record with one thread, OMP_NUM_THREADS=1, as many targets side by side
as there are cores. `replay` runs any rule over the table in seconds. A trial learns on three folds
of 300 images, as in a fit. Cost is in units of one default fine-tune, in seconds of the
processor; a point that is between grid points is the nearest one. Regret is that of the accuracy
on the test images (up to 1200), for the point that is best on the validation images so far,
against the point that is best on them in the whole table; in points, averaged over targets and
seeds. Where probes win, that says nothing of the search above them: in the second table only
points that train are answers, and regret is in the accuracy on the validation images. The third
table has the cost after which the mean regret of a target is at most half a point, and stays so.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import optuna
from numpy.typing import ArrayLike, NDArray

from autotransfer.data.splitting import NUM_FOLDS
from autotransfer.models.source import Source
from autotransfer.plugin.space import SearchSpace, choice, depth, integer, learning_rate_multiplier
from autotransfer.results import Outcome, ParamValue, State
from autotransfer.search import initial_points
from autotransfer.search.arms import Arms
from autotransfer.search.budget import SearchLimits
from autotransfer.search.driver import Search
from autotransfer.search.pruning import ERRORS, RUNGS_PER_FOLD, clearly_worse
from autotransfer.search.study import Study, sampler_named
from autotransfer.search.trial import TrialResult, TrialSpec
from tests.benchmarks.search_table import (
    DEFAULT,
    GRID,
    HEADS,
    PROBE,
    RUNG_SHARES,
    TUNE,
    Point,
    Recording,
    Table,
    record,
    tables,
)

BUDGETS = (0.25, 0.5, 1, 2, 4, 8, 16, 32)  # units
CLOSE = 0.5  # points of regret
STEPS = np.geomspace(0.001, BUDGETS[-1], 400)  # units at which rules are looked at
SPACE = SearchSpace.of(
    learning_rate_multiplier=learning_rate_multiplier(),
    depth=depth(default=0.7),
    epochs=integer(4, 8, default=8, log=True),
)
PROBE_SPACE = SearchSpace.of(depth=depth(), head=choice(HEADS, default="ridge"))


@dataclass
class Curve:
    """What a rule has found after how much cost."""

    table: Table
    spent: float = 0.0
    ended: list[tuple[float, Point]] = field(default_factory=list)

    def add(self, point: Point, share: float | None = None) -> None:
        """Pay for a trial, or for a share of its first fold, after which it ends unanswered."""
        seconds = sum(point.seconds) if share is None else share * point.seconds[0]
        self.spent += seconds / self.table.unit
        if share is None:
            self.ended.append((self.spent, point))

    def regrets(self, budgets: ArrayLike, *, trained: bool) -> NDArray[np.float64]:
        """Return the regret in points after so many units; NaN where there is no answer yet.

        Args:
            budgets: (b,) units.
            trained: Whether only points that train are answers, and regret is that of the
                accuracy on the validation images, by which the search goes.
        """
        goal = next(point for point in self.table.every if point.trains or not trained)
        times, found = [-np.inf], [np.nan]
        best: Point | None = None
        for spent, point in self.ended:
            counts = point.trains or not trained
            if counts and (best is None or point.priority > best.priority):
                best = point
                times.append(spent)
                found.append(100 * (goal.value - best.value if trained else goal.test - best.test))
        place = np.searchsorted(times, np.asarray(budgets) + 1e-9, side="right") - 1
        regrets: NDArray[np.float64] = np.array(found)[place]
        return regrets


Rule = Callable[[Table, int], Curve]


def constant(table: Table, _seed: int) -> Curve:
    """The first source of the catalogue, fine-tuned with the defaults."""
    curve = Curve(table)
    curve.add(table.at(table.sources[0].name, TUNE, DEFAULT))
    return curve


def random_top_three(table: Table, seed: int) -> Curve:
    """Random points on the three sources with the best probe at the last stage."""
    curve, rng = Curve(table), np.random.default_rng(seed)
    top = [source.name for source in _ranked(table, curve)[:3]]
    while curve.spent < BUDGETS[-1]:
        params = {name: rng.choice(values) for name, values in GRID.items()}
        curve.add(table.at(str(rng.choice(top)), TUNE, params))
    return curve


def plain(sampler: str) -> Rule:
    """Return a sampler of Optuna over the conditional space of all sources, and nothing else."""

    def rule(table: Table, seed: int) -> Curve:
        curve = Curve(table)
        study = optuna.create_study(direction="maximize", sampler=sampler_named(sampler, seed))
        for _ in range(200):
            if curve.spent >= BUDGETS[-1]:
                break
            trial = study.ask()
            source = trial.suggest_categorical("source", [s.name for s in table.sources])
            strategy = str(trial.suggest_categorical("strategy", [TUNE, PROBE]))
            space = SPACE if strategy == TUNE else PROBE_SPACE
            point = table.at(source, strategy, space.suggest(trial, f"{source}.{strategy}"))
            curve.add(point)
            study.tell(trial, point.priority[0])
        return curve

    return rule


def _ranked(table: Table, curve: Curve, *, every_stage: bool = False) -> list[Source]:
    """Return the sources by their probe at the last stage, or best of all, which are paid for."""
    best: dict[str, tuple[float, float]] = {}
    for source in table.sources:
        last = table.stages[source.name]
        for stage in range(1 if every_stage else last, last + 1):
            point = table.at(source.name, PROBE, {"depth": stage / last, "head": HEADS[0]})
            curve.add(point)
            best[source.name] = max(best.get(source.name, point.priority), point.priority)
    return sorted(table.sources, key=lambda source: best[source.name], reverse=True)


class _Offered(SimpleNamespace):
    """A strategy that is only looked up."""


def ours(
    sampler: str,
    *,
    errors: float | None = ERRORS,
    first_rung: int = 0,
    shortlist: int | None = None,
    every_stage: bool = False,
    variants: Sequence[Mapping[str, ParamValue]] = initial_points.VARIANTS,
) -> Rule:
    """Return our own search on a clock that recorded seconds move.

    Args:
        sampler: What proposes points above the probes.
        errors: Standard errors by which a trial that is stopped is worse; None stops none.
        first_rung: The first at which trials are stopped.
        shortlist: How many sources are kept, in their order; None keeps all.
        every_stage: Whether sources are ordered by their best probe, or by that of the last stage.
        variants: What the portfolio tries besides the defaults.
    """

    def rule(table: Table, seed: int) -> Curve:
        curve = Curve(table)
        sources = tuple(_ranked(table, curve, every_stage=every_stage)[:shortlist])
        clock = SimpleNamespace(now=curve.spent * table.unit)
        strategies = (_Offered(name=PROBE, trains=False), _Offered(name=TUNE, trains=True))
        arms = Arms(sources, strategies, {PROBE: PROBE_SPACE, TUNE: SPACE})  # type: ignore[arg-type]
        context: Any = SimpleNamespace(
            readers=_Stages(table),
            divisions=lambda: [(None, None)] * NUM_FOLDS,
            num_steps=NUM_FOLDS * RUNGS_PER_FOLD,
        )
        executor = _Recorded(curve, clock, errors, first_rung)
        deadline = BUDGETS[-1] * table.unit
        with patch.object(initial_points, "VARIANTS", variants):
            Search(
                Study(
                    optuna.create_study(direction="maximize", sampler=sampler_named(sampler, seed))
                ),
                arms,
                context,
                SearchLimits(None, deadline, clock=lambda: clock.now),
                executor,
                seed=seed,
                on_result=lambda result: result.outcome,
                on_recorded=lambda _outcome: None,
                say=lambda _text: None,
                run_probe=lambda spec, _arena: executor.answer(spec),
            ).run()
        return curve

    return rule


class _Stages:
    def __init__(self, table: Table) -> None:
        self._table = table

    def __getitem__(self, source: Source) -> Any:
        return SimpleNamespace(num_stages=self._table.stages[source.name])


class _Recorded:
    """Answers trials from the table, pruned at the rungs as they would have been."""

    slots = 1

    def __init__(self, curve: Curve, clock: Any, errors: float | None, first_rung: int) -> None:
        self._curve, self._clock = curve, clock
        self._errors, self._first_rung = errors, first_rung
        self._waiting: list[TrialSpec] = []

    def submit(self, spec: TrialSpec) -> None:
        self._waiting.append(spec)

    def wait(self) -> list[TrialResult]:
        return [self.answer(self._waiting.pop(0))]

    def close(self) -> None:
        self._waiting.clear()

    def answer(self, spec: TrialSpec) -> TrialResult:
        point = self._curve.table.at(spec.source.name, spec.strategy.name, spec.params)
        stopped = self._stopped(spec, point)
        before = self._curve.spent
        self._curve.add(point, None if stopped is None else RUNG_SHARES[stopped])
        seconds = (self._curve.spent - before) * self._curve.table.unit
        self._clock.now += seconds
        value, negative_loss = point.priority
        seen = len(point.rungs) if stopped is None else stopped + 1
        outcome = Outcome(
            spec.number,
            spec.source.name,
            spec.strategy.name,
            dict(spec.params),
            State.COMPLETE if stopped is None else State.PRUNED,
            value=value if stopped is None else None,
            log_loss=-negative_loss if stopped is None else None,
            rungs=point.rungs[:seen],
            seconds=seconds,
        )
        steps = [step for step, _ in outcome.rungs]
        return TrialResult(outcome, None, None, {step: point.losses[step] for step in steps})

    def _stopped(self, spec: TrialSpec, point: Point) -> int | None:
        """Return the rung of the first fold at which the trial is pruned."""
        if self._errors is None:
            return None
        for step, rival in enumerate(spec.rivals):
            if rival is None or step < self._first_rung or step not in point.losses:
                continue
            if clearly_worse(point.losses[step], rival, errors=self._errors):
                return step
        return None


RULES: Mapping[str, Rule] = {
    "constant source, default": constant,
    "random, top 3": random_top_three,
    "TPE, conditional": plain("tpe"),
    "GP, conditional": plain("gp"),
    "ours, tpe": ours("tpe"),
    "ours, gp": ours("gp"),
    "ours, random": ours("random"),
    "ours, tpe, without pruning": ours("tpe", errors=None),
    "ours, tpe, pruned by one error": ours("tpe", errors=1.0),
    "ours, tpe, by one error from the second rung on": ours("tpe", errors=1.0, first_rung=1),
    "ours, tpe, pruned from the second rung on": ours("tpe", first_rung=1),
    "ours, tpe, two sources": ours("tpe", shortlist=2),
    "ours, tpe, three sources": ours("tpe", shortlist=3),
    "ours, tpe, four sources": ours("tpe", shortlist=4),
    "ours, tpe, two sources by best stage": ours("tpe", shortlist=2, every_stage=True),
    "ours, tpe, three sources by best stage": ours("tpe", shortlist=3, every_stage=True),
    "ours, tpe, all sources by best stage": ours("tpe", every_stage=True),
    "ours, tpe, defaults alone": ours("tpe", variants=()),
}


def recorded(given: argparse.Namespace) -> None:
    """Fill the table until the time is over."""
    until = time.monotonic() + 60 * given.minutes
    plugins, sources = tuple(given.plugin), tuple(given.source)
    wanted = Recording(given.table, given.catalogue, plugins, sources, given.side, until)
    if not all(record(wanted, pictures) for pictures in given.images):
        sys.stderr.write("the time is over; run it again to go on\n")


def replayed(given: argparse.Namespace) -> None:
    """Print the two tables of regrets."""
    found = tables(given.table, given.target)
    curves = {
        name: [RULES[name](table, seed) for table in found for seed in range(given.seeds)]
        for name in given.rule or RULES
    }
    names = ", ".join(table.target for table in found)
    sys.stdout.write(f"{names}; {given.seeds} seeds; points after so many units\n\n")
    _print("regret", curves, trained=False)
    _print("regret on validation, among what trains", curves, trained=True)
    _print_close(curves)


def _print(title: str, curves: Mapping[str, Sequence[Curve]], *, trained: bool) -> None:
    out = sys.stdout.write
    out(f"| {title} | " + " | ".join(map(str, BUDGETS)) + " |\n")
    out("|---" * (1 + len(BUDGETS)) + "|\n")
    for name, of_rule in curves.items():
        cells = np.mean([curve.regrets(BUDGETS, trained=trained) for curve in of_rule], axis=0)
        shown = ("-" if np.isnan(cell) else f"{cell:.1f}" for cell in cells)
        out(f"| {name} | " + " | ".join(shown) + " |\n")
    out("\n")


def _print_close(curves: Mapping[str, Sequence[Curve]]) -> None:
    """Print after how many units a rule is within half a point of the end of each target."""
    targets = list(dict.fromkeys(c.table.target for of_rule in curves.values() for c in of_rule))
    out = sys.stdout.write
    out("| units until within half a point | " + " | ".join(targets) + " |\n")
    out("|---" * (1 + len(targets)) + "|\n")
    for name, of_rule in curves.items():
        shown = (_close([c for c in of_rule if c.table.target == target]) for target in targets)
        out(f"| {name} | " + " | ".join(shown) + " |\n")


def _close(curves: Sequence[Curve]) -> str:
    mean = np.mean([curve.regrets(STEPS, trained=False) for curve in curves], axis=0)
    far = np.flatnonzero(~(mean <= CLOSE))  # no answer yet is far, too
    first = int(far[-1]) + 1 if len(far) else 0
    return "never" if first == len(STEPS) else f"{STEPS[first]:.3f}"


def main() -> int:
    """Record or replay."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("record")
    one.add_argument("table", type=Path)
    one.add_argument("catalogue")
    one.add_argument("images", nargs="+")
    one.add_argument("--plugin", action="append", default=[])
    one.add_argument("--source", action="append", default=[])
    one.add_argument("--side", type=int, default=96)
    one.add_argument("--minutes", type=float, default=60.0)
    two = commands.add_parser("replay")
    two.add_argument("table", type=Path)
    two.add_argument("--seeds", type=int, default=20)
    two.add_argument("--target", action="append", default=[])
    two.add_argument("--rule", action="append", choices=list(RULES))
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    recorded(given) if given.command == "record" else replayed(given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
