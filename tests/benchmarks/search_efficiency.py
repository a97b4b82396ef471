"""Regret against cost of search rules, replayed over a recorded table of real trials.

    python tests/benchmarks/search_efficiency.py record TABLE CATALOGUE PICTURES... [--plugin F]
        [--source NAME]... [--pictures-each 300] [--splits 3] [--side 96] [--minutes 60] [--coarse]
    python tests/benchmarks/search_efficiency.py replay TABLE [--seeds 20] [--target NAME]...

`record` trains every point of a coarse grid once for each split and writes what it said of each
validation and test picture, at every rung, into the folder TABLE (outside the repository). It may
be stopped at any time and goes on where it was. `replay` runs any rule over the table in seconds.
Cost is in units of one default fine-tune, in seconds of the processor (record with one thread,
OMP_NUM_THREADS=1, as many targets side by side as there are cores); a point that is between grid
points is the nearest one. Regret is that of the accuracy on the test pictures, for the point that
is best on the validation pictures so far, against the point that is best on them in the whole
table; in points, averaged over targets, splits and seeds.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray

from autotransfer.evaluation.metrics import metric_named
from autotransfer.options import read_options
from autotransfer.preparing import choose_sources, discover_plugins, make_readers, open_labelled
from autotransfer.problem import Fold, ParamValue, Source, source_from_json, source_to_json
from autotransfer.results import Outcome, State
from autotransfer.search.arms import Arms
from autotransfer.search.budget import SearchLimits
from autotransfer.search.driver import search
from autotransfer.search.pruning import calibrated_losses, clearly_worse
from autotransfer.search.study import Study, sampler_named
from autotransfer.search.trial import Arena, TrialResult, TrialSpec
from autotransfer.space import SearchSpace, choice, depth, integer, learning_rate_multiplier
from autotransfer.strategy import Predictor, Trial

TUNE, PROBE = "fine-tune", "feature-extraction"
DEFAULT = {"learning_rate_multiplier": 1.0, "depth": 0.7, "epochs": 8}
GRID: Mapping[str, tuple[float, ...]] = {
    "learning_rate_multiplier": (0.3, 1.0, 3.0),
    "depth": (0.4, 0.7, 0.9),
    "epochs": (4, 8, 16),
}
COARSE = {"learning_rate_multiplier": (1.0,), "depth": (0.7,), "epochs": (4, 8)}
BUDGETS = (1, 2, 4, 8, 12, 16, 24, 32)  # units
SPACE = SearchSpace.of(
    learning_rate_multiplier=learning_rate_multiplier(),
    depth=depth(default=0.7),
    epochs=integer(4, 16, default=8, log=True),
)
PROBE_SPACE = SearchSpace.of(
    depth=depth(), head=choice(("ridge", "logistic", "lda", "nearest-mean"), default="ridge")
)


@dataclass(frozen=True)
class Case:
    """One target and split: what to learn from, to choose by and to be judged on."""

    target: str
    split: int


# recording


def record(given: argparse.Namespace) -> None:
    """Fill the table until the time is over."""
    until = time.monotonic() + 60 * given.minutes
    given.table.mkdir(parents=True, exist_ok=True)
    grid = COARSE if given.coarse else GRID
    for split, pictures in itertools.product(range(given.splits), given.pictures):
        chosen = read_options({"sources": given.catalogue, "plugins": tuple(given.plugin)})
        registry = discover_plugins(chosen)
        opened = open_labelled(pictures, chosen)
        arena = _arena(opened.train, given, make_readers(chosen), split)
        found = [
            replace(s, preprocessing=replace(s.preprocessing, input_size=given.side))
            for s in choose_sources(chosen, registry, opened).sources
            if not given.source or s.name in given.source
        ]
        case = Case(opened.name, split)
        _write_json(_case_file(given.table, case), _about(case, found, arena, grid))
        for source, strategy, params in _points(found, arena, grid):
            path = given.table / f"{_key(case, source.name, strategy, params)}.npz"
            if path.exists():
                continue
            if time.monotonic() > until:
                sys.stderr.write("the time is over; run it again to go on\n")
                return
            arena.readers.focus(source)
            _run(path, registry.strategy(strategy), source, params, arena)
            sys.stderr.write(f"{case.target} {split} {source.name} {strategy} {params}\n")


def _arena(images: Any, given: argparse.Namespace, readers: Any, split: int) -> Arena:
    """Return half of the pictures to learn from, a sixth to choose by, a third to judge on."""
    rng = np.random.default_rng((split, 17))
    order = rng.permutation(len(images))[: given.pictures_each]
    learnt, chosen = len(order) // 2, len(order) * 2 // 3
    fold = Fold(order[:learnt], order[learnt:chosen])
    held = images.subset(order[chosen:])
    return Arena(images, (fold,), None, readers, metric_named("accuracy"), source_images=held)


def _points(
    sources: Sequence[Source], arena: Arena, grid: Mapping[str, Sequence[float]]
) -> Iterator[tuple[Source, str, dict[str, ParamValue]]]:
    for source in sources:
        stages = arena.readers[source].num_stages
        for stage, head in itertools.product(range(1, stages + 1), _heads(stages)):
            if head == "ridge" or stage == stages:
                yield source, PROBE, {"depth": stage / stages, "head": head}
    for values in itertools.product(*grid.values()):
        for source in sources:
            yield source, TUNE, dict(zip(grid, values, strict=True))


def _heads(_stages: int) -> tuple[str, ...]:
    return tuple(str(c) for c in PROBE_SPACE.parameters["head"].distribution.choices)  # type: ignore[attr-defined]


def _run(path: Path, strategy: Any, source: Source, params: Any, arena: Arena) -> None:
    ((train, validation),) = arena.divisions()
    held = arena.source_images
    assert held is not None
    reader = arena.readers[source]
    task = replace(arena.task(source, train), source_images=None)
    shown: list[NDArray[np.float64]] = []

    def report(_progress: float, predictor: Predictor, /) -> None:
        shown.append(predictor.predict(validation, reader))

    point = {**strategy.space(task.info).defaults(), **params}
    began = time.process_time()  # what else runs on the machine does not count
    predictor = strategy.fit(task, Trial(point, report, None, 0))
    seconds = time.process_time() - began
    shown.append(predictor.predict(validation, reader))
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.savez(
            file,
            rungs=np.stack(shown).astype(np.float32),
            test=predictor.predict(held, reader).astype(np.float32),
            labels=validation.labels,
            test_labels=held.labels,
            seconds=seconds,
        )
    temporary.replace(path)


def _about(case: Case, sources: Sequence[Source], arena: Arena, grid: Any) -> Any:
    return {
        "target": case.target,
        "split": case.split,
        "sources": [source_to_json(source) for source in sources],
        "stages": [arena.readers[source].num_stages for source in sources],
        "grid": {name: list(values) for name, values in grid.items()},
    }


def _key(case: Case, source: str, strategy: str, params: Mapping[str, ParamValue]) -> str:
    text = json.dumps([case.target, case.split, source, strategy, dict(params)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _case_file(table: Path, case: Case) -> Path:
    return table / f"case-{case.target}-{case.split}.json"


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


# replaying


@dataclass
class Replay:
    """The recorded trials of one case; only those that are complete count as the table."""

    table: Path
    case: Case
    sources: tuple[Source, ...]
    stages: Mapping[str, int]
    grid: Mapping[str, Sequence[float]]
    _known: dict[str, Any] = field(default_factory=dict)

    def at(self, source: str, strategy: str, params: Mapping[str, Any]) -> Any:
        """Return the trial at the nearest grid point; None where it is not recorded."""
        near = self._nearest(source, strategy, params)
        key = _key(self.case, source, strategy, near)
        if key not in self._known:
            path = self.table / f"{key}.npz"
            self._known[key] = SimpleNamespace(**np.load(path)) if path.exists() else None
        return self._known[key]

    def _nearest(self, source: str, strategy: str, params: Mapping[str, Any]) -> dict[str, Any]:
        if strategy == PROBE:
            stages = self.stages[source]
            stage = max(1, round(float(params["depth"]) * stages))
            return {"depth": stage / stages, "head": params["head"]}
        return {
            name: min(values, key=lambda v: abs(_scaled(name, v) - _scaled(name, params[name])))
            for name, values in self.grid.items()
        }

    def points(self) -> Iterator[Any]:
        """Yield every recorded trial."""
        for source in self.sources:
            for values in itertools.product(*self.grid.values()):
                yield self.at(source.name, TUNE, dict(zip(self.grid, values, strict=True)))
            stages = self.stages[source.name]
            for stage, head in itertools.product(range(1, stages + 1), _heads(stages)):
                if head == "ridge" or stage == stages:
                    yield self.at(source.name, PROBE, {"depth": stage / stages, "head": head})

    @cached_property
    def best_test(self) -> float:
        """Return the test accuracy of the point that is best on the validation pictures."""
        known = [point for point in self.points() if point is not None]
        return _test_accuracy(max(known, key=_standing))

    @cached_property
    def unit(self) -> float:
        """Return the mean seconds of a default fine-tune."""
        found = [self.at(source.name, TUNE, DEFAULT) for source in self.sources]
        return float(np.mean([point.seconds for point in found if point is not None]))


def _scaled(name: str, value: float) -> float:
    return float(value) if name == "depth" else float(np.log(value))


def _accuracy(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
    return float((probabilities.argmax(axis=1) == labels).mean())


def _standing(point: Any) -> tuple[float, float]:
    losses = -np.log(np.maximum(point.rungs[-1][np.arange(len(point.labels)), point.labels], 1e-7))
    return _accuracy(point.labels, point.rungs[-1]), -float(losses.mean())


def _test_accuracy(point: Any) -> float:
    return _accuracy(point.test_labels, point.test)


@dataclass
class Curve:
    """What a rule has found after how much cost."""

    replay: Replay
    spent: float = 0.0
    best: Any = None
    steps: list[tuple[float, float]] = field(default_factory=list)

    def add(self, point: Any, share: float = 1.0) -> None:
        """Pay for a trial, or for a share of it that ends without an answer."""
        self.spent += share * float(point.seconds) / self.replay.unit
        if share == 1.0 and (self.best is None or _standing(point) > _standing(self.best)):
            self.best = point
            self.steps.append((self.spent, self.replay.best_test - _test_accuracy(point)))

    def regret(self, budget: float) -> float:
        """Return the regret after so many units; a rule without an answer yet has guessed."""
        found = [regret for spent, regret in self.steps if spent <= budget + 1e-9]
        classes = next(self.replay.points()).rungs.shape[-1]
        return found[-1] if found else self.replay.best_test - 1 / classes


Rule = Callable[[Replay, int], Curve]


def constant(replay: Replay, _seed: int) -> Curve:
    """The first source of the catalogue, fine-tuned with the defaults."""
    curve = Curve(replay)
    curve.add(replay.at(replay.sources[0].name, TUNE, DEFAULT))
    return curve


def random_top_three(replay: Replay, seed: int) -> Curve:
    """Random points on the three sources with the best probe at the last stage."""
    curve, rng = Curve(replay), np.random.default_rng(seed)
    probes = {
        s.name: replay.at(s.name, PROBE, {"depth": 1.0, "head": "ridge"}) for s in replay.sources
    }
    top = sorted(probes, key=lambda name: _standing(probes[name]), reverse=True)[:3]
    for point in probes.values():
        curve.add(point)
    while curve.spent < BUDGETS[-1]:
        params = {name: rng.choice(values) for name, values in replay.grid.items()}
        curve.add(replay.at(str(rng.choice(top)), TUNE, params))
    return curve


def plain(sampler: str) -> Rule:
    """Return a sampler of Optuna over the conditional space of all sources, and nothing else."""

    def rule(replay: Replay, seed: int) -> Curve:
        curve = Curve(replay)
        study = optuna.create_study(direction="maximize", sampler=sampler_named(sampler, seed))
        for _ in range(200):
            if curve.spent >= BUDGETS[-1]:
                break
            trial = study.ask()
            source = trial.suggest_categorical("source", [s.name for s in replay.sources])
            strategy = str(trial.suggest_categorical("strategy", [TUNE, PROBE]))
            space = SPACE if strategy == TUNE else PROBE_SPACE
            params = space.suggest(trial, f"{source}.{strategy}")
            if strategy == PROBE and params["head"] != "ridge":
                params["depth"] = 1.0
            point = replay.at(str(source), strategy, params)
            curve.add(point)
            study.tell(trial, _standing(point)[0])
        return curve

    return rule


class _Offered(SimpleNamespace):
    """A strategy that is only looked up."""


def ours(sampler: str) -> Rule:
    """Return our own search, with the given sampler, on a clock that recorded seconds move."""

    def rule(replay: Replay, seed: int) -> Curve:
        curve, clock = Curve(replay), SimpleNamespace(now=0.0)
        strategies = (_Offered(name=PROBE, trains=False), _Offered(name=TUNE, trains=True))
        arms = Arms(replay.sources, strategies, {PROBE: PROBE_SPACE, TUNE: SPACE})  # type: ignore[arg-type]
        arena: Any = SimpleNamespace(
            readers=_Stages(replay), divisions=lambda: [(None, None)], num_steps=3
        )
        executor = _Recorded(curve, clock)
        deadline = BUDGETS[-1] * replay.unit
        search(
            Study(optuna.create_study(direction="maximize", sampler=sampler_named(sampler, seed))),
            arms,
            arena,
            SearchLimits(None, deadline, clock=lambda: clock.now),
            executor,
            seed=seed,
            on_result=lambda result: result.outcome,
            on_recorded=lambda _outcome: None,
            say=lambda _text: None,
            run_probe=lambda spec, _arena: executor.answer(spec),
        )
        return curve

    return rule


class _Stages:
    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def __getitem__(self, source: Source) -> Any:
        return SimpleNamespace(num_stages=self._replay.stages[source.name])


class _Recorded:
    """Answers trials from the table, pruned at the rungs as they would have been."""

    slots = 1

    def __init__(self, curve: Curve, clock: Any) -> None:
        self._curve, self._clock = curve, clock
        self._waiting: list[TrialSpec] = []

    def submit(self, spec: TrialSpec) -> None:
        self._waiting.append(spec)

    def wait(self) -> list[TrialResult]:
        return [self.answer(self._waiting.pop(0))]

    def close(self) -> None:
        self._waiting.clear()

    def answer(self, spec: TrialSpec) -> TrialResult:
        params = dict(spec.params)
        if spec.strategy.name == PROBE and params["head"] != "ridge":
            params["depth"] = 1.0
        point = self._curve.replay.at(spec.source.name, spec.strategy.name, params)
        shares = (1 / 9, 1 / 3, 1.0)[-len(point.rungs) :]
        losses: dict[int, NDArray[np.float32]] = {}
        rungs = []
        state, share = State.COMPLETE, 1.0
        for step, shown in enumerate(point.rungs, start=3 - len(point.rungs)):
            losses[step] = calibrated_losses(point.labels, shown.astype(np.float64))
            rungs.append((step, _accuracy(point.labels, shown)))
            rival = spec.rivals[step] if step < len(spec.rivals) else None
            if step < 2 and rival is not None and clearly_worse(losses[step], rival):
                state, share = State.PRUNED, shares[step - 3 + len(point.rungs)]
                break
        self._curve.add(point, share)
        seconds = share * float(point.seconds)
        self._clock.now += seconds
        value, loss = _standing(point)
        complete = state is State.COMPLETE
        outcome = Outcome(
            spec.number,
            spec.source.name,
            spec.strategy.name,
            dict(spec.params),
            state,
            value=value if complete else None,
            log_loss=-loss if complete else None,
            rungs=tuple(rungs),
            seconds=seconds,
        )
        return TrialResult(outcome, None, None, losses)


RULES: Mapping[str, Rule] = {
    "constant source, default": constant,
    "random, top 3": random_top_three,
    "TPE, conditional": plain("tpe"),
    "GP, conditional": plain("gp"),
    "ours, tpe": ours("tpe"),
    "ours, gp": ours("gp"),
    "ours, random": ours("random"),
}


def cases(table: Path, targets: Sequence[str]) -> list[Replay]:
    """Return the recorded cases, of these targets or of all."""
    found = []
    for path in sorted(table.glob("case-*.json")):
        about = json.loads(path.read_text(encoding="utf-8"))
        if targets and about["target"] not in targets:
            continue
        sources = tuple(source_from_json(values) for values in about["sources"])
        stages = {s.name: n for s, n in zip(sources, about["stages"], strict=True)}
        case = Case(about["target"], about["split"])
        one = Replay(table, case, sources, stages, about["grid"])
        if all(point is not None for point in one.points()):
            found.append(one)
        else:
            sys.stderr.write(f"{path.name}: not recorded to the end; left out\n")
    return found


def replayed(given: argparse.Namespace) -> None:
    """Print the table."""
    recorded = cases(given.table, given.target)
    out = sys.stdout.write
    out(f"{len(recorded)} cases, {given.seeds} seeds; regret in points after so many units\n\n")
    out("| rule | " + " | ".join(map(str, BUDGETS)) + " |\n" + "|---" * (1 + len(BUDGETS)) + "|\n")
    for name in given.rule or RULES:
        curves = [RULES[name](one, seed) for one in recorded for seed in range(given.seeds)]
        cells = [100 * float(np.mean([c.regret(b) for c in curves])) for b in BUDGETS]
        out(f"| {name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |\n")


def main() -> int:
    """Record or replay."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("record")
    one.add_argument("table", type=Path)
    one.add_argument("catalogue")
    one.add_argument("pictures", nargs="+")
    one.add_argument("--plugin", action="append", default=[])
    one.add_argument("--source", action="append", default=[])
    one.add_argument("--pictures-each", type=int, default=300)
    one.add_argument("--splits", type=int, default=3)
    one.add_argument("--side", type=int, default=96)
    one.add_argument("--minutes", type=float, default=60.0)
    one.add_argument("--coarse", action="store_true", help="two points a source, to try it out")
    two = commands.add_parser("replay")
    two.add_argument("table", type=Path)
    two.add_argument("--seeds", type=int, default=20)
    two.add_argument("--target", action="append", default=[])
    two.add_argument("--rule", action="append", choices=list(RULES))
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    record(given) if given.command == "record" else replayed(given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
