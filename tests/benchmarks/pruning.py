"""How often pruning would have stopped the best trial: rules replayed over real learning curves.

    python tests/benchmarks/pruning.py record TABLE CATALOGUE PICTURES... --source NAME [...]
        [--plugin FILE] [--pictures-each 150] [--side 96] [--trials 40] [--minutes 30]
    python tests/benchmarks/pruning.py replay TABLE [--orders 500] [--trials 24]

`record` runs trials of fine-tuning to their end, at random points of the default space, the
defaults first, and keeps in the folder TABLE (outside the repository) what a search sees of them:
the calibrated losses at every rung of three folds. It may be stopped and goes on where it was.
`replay` shuffles them and asks each rule what it would have stopped: the share of trials that are
stopped, the work that is left, how often the best one and one of the best three are stopped, and
by how much the best validation score of those that went on is worse than the best of all.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import optuna
from numpy.typing import NDArray

from autotransfer.data.splitting import make_folds
from autotransfer.evaluation.metrics import metric_named
from autotransfer.options import read_options
from autotransfer.preparing import (
    choose_preset,
    choose_sources,
    discover_plugins,
    make_readers,
    open_labelled,
)
from autotransfer.search.arms import Terms, arms_of
from autotransfer.search.pruning import LEAST_KNOWN, RUNGS_PER_FOLD, Losses, clearly_worse, rivals
from autotransfer.search.trial import Arena, TrialSpec, run_trial
from autotransfer.training import RUNGS

TUNE = "fine-tune"
_SHARES = (*RUNGS, 1.0)
_BEST = 3


@dataclass(frozen=True)
class Curve:
    """One trial that ran to its end.

    Args:
        value: Mean validation score.
        log_loss: Mean validation log loss.
        seconds: Of the whole trial.
        losses: Calibrated losses at every step.
    """

    value: float
    log_loss: float
    seconds: float
    losses: Losses


Rule = Callable[[Losses, Sequence[Losses], int, int], bool]  # own, known, step, last step -> stop


# recording


def record(given: argparse.Namespace) -> None:
    """Fill the table until the time is over, target by target in turn."""
    until = time.monotonic() + 60 * given.minutes
    given.table.mkdir(parents=True, exist_ok=True)
    recorders = [_recorder(given, pictures) for pictures in given.pictures]
    for number in range(given.trials):
        for run in recorders:
            if time.monotonic() > until:
                sys.stderr.write("the time is over; run it again to go on\n")
                return
            run(number)


def _recorder(given: argparse.Namespace, pictures: str) -> Callable[[int], None]:
    chosen = read_options({"sources": given.catalogue, "plugins": tuple(given.plugin)})
    registry = discover_plugins(chosen)
    opened = open_labelled(pictures, chosen)
    order = np.random.default_rng(17).permutation(len(opened.train))[: given.pictures_each]
    images = opened.train.subset(np.sort(order))
    folds = make_folds(images, seed=0)
    arena = Arena(images, folds, None, make_readers(chosen), metric_named("accuracy"))
    sources = [
        replace(s, preprocessing=replace(s.preprocessing, input_size=given.side))
        for s in choose_sources(chosen, registry, opened).sources
        if s.name in given.source
    ]
    terms = Terms(len(images), len(images.class_names), 99, False, lambda _: True)  # noqa: FBT003
    preset = choose_preset(chosen, registry)
    arms, _ = arms_of(sources, [registry.strategy(TUNE)], preset, terms)
    space, strategy = arms.spaces[TUNE], arms.strategies[0]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    def run(number: int) -> None:
        params = space.suggest(study.ask(), TUNE)
        source = sources[number % len(sources)]
        if number < len(sources):
            params = space.defaults()
        path = given.table / f"{opened.name}-{number:03d}.json"
        if path.exists():
            return
        result = run_trial(TrialSpec(number, source, strategy, params, number, None), arena)
        outcome = result.outcome
        sys.stderr.write(
            f"{opened.name} {number}: {outcome.state} {outcome.value} "
            f"in {outcome.seconds:.0f} s {outcome.reason}\n"
        )
        path.write_text(
            json.dumps(
                {
                    "value": outcome.value,
                    "log_loss": outcome.log_loss,
                    "seconds": outcome.seconds,
                    "source": outcome.source,
                    "params": dict(outcome.params),
                    "losses": {s: v.round(4).tolist() for s, v in result.losses.items()},
                }
            ),
            encoding="utf-8",
        )

    return run


# replaying


def share_rule(kept: float, errors: float, folds: int | None = None) -> Rule:
    """Return the rule that stops what is clearly worse than the best share.

    Args:
        kept: Share of the trials seen at a step that sets the standard.
        errors: By how many standard errors of the paired differences a trial has to be worse.
        folds: Number of folds in which anything is stopped; None is all.
    """

    def stop(own: Losses, known: Sequence[Losses], step: int, last: int) -> bool:
        if step == last or (folds is not None and step >= RUNGS_PER_FOLD * folds):
            return False
        seen = sorted((k[step] for k in known if step in k), key=lambda x: float(x.mean()))
        if len(seen) < LEAST_KNOWN:
            return False
        differences = own[step].astype(np.float64) - seen[max(int(len(seen) * kept), 1) - 1]
        error = differences.std(ddof=1) / np.sqrt(len(differences))
        return bool(differences.mean() > errors * error)

    return stop


def ours(own: Losses, known: Sequence[Losses], step: int, last: int) -> bool:
    """Stop what the search would stop."""
    rival = rivals(known, last + 1)[step]
    return rival is not None and step != last and clearly_worse(own[step], rival)


RULES: Mapping[str, Rule] = {
    "the search": ours,
    "best 1/3, 1 error, every fold": share_rule(1 / 3, 1.0),
    "best 1/3, 2 errors, every fold": share_rule(1 / 3, 2.0),
    "best 1/2, 1 error, every fold": share_rule(1 / 2, 1.0),
    "best 1/2, 2 errors, every fold": share_rule(1 / 2, 2.0),
    "best 1/3, 2 errors, first fold": share_rule(1 / 3, 2.0, 1),
    "best 1/3, 1 error, first fold": share_rule(1 / 3, 1.0, 1),
    "best 1/2, 2 errors, first fold": share_rule(1 / 2, 2.0, 1),
    "never": lambda *_: False,
}


@dataclass(frozen=True)
class Replayed:
    """What a rule did to one order of trials."""

    stopped: float
    work: float
    lost_best: bool
    lost_three: float
    regret: float


def replayed(curves: Sequence[Curve], rule: Rule) -> Replayed:
    """Return what the rule does to the trials in this order."""
    last = max(max(curve.losses) for curve in curves)
    known: list[Losses] = []
    done: list[int] = []
    work = 0.0
    for number, curve in enumerate(curves):
        seen: dict[int, NDArray[np.float32]] = {}
        for step in sorted(curve.losses):
            seen[step] = curve.losses[step]
            if rule(seen, known, step, last):
                break
        else:
            done.append(number)
        known.append(seen)
        fold, rung = divmod(max(seen), RUNGS_PER_FOLD)
        work += curve.seconds * (fold + _SHARES[rung]) * RUNGS_PER_FOLD / (last + 1)
    standing = sorted(range(len(curves)), key=lambda i: (-curves[i].value, curves[i].log_loss))
    best = max((curves[i].value for i in done), default=0.0)
    return Replayed(
        1 - len(done) / len(curves),
        work / sum(curve.seconds for curve in curves),
        standing[0] not in done,
        float(np.mean([i not in done for i in standing[:_BEST]])),
        curves[standing[0]].value - best,
    )


def replay(given: argparse.Namespace) -> None:
    """Print the table."""
    targets: dict[str, list[Curve]] = {}
    for path in sorted(given.table.glob("*-[0-9][0-9][0-9].json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["value"] is None:
            continue
        losses = {int(s): np.array(v, dtype=np.float32) for s, v in found["losses"].items()}
        curve = Curve(found["value"], found["log_loss"], found["seconds"], losses)
        targets.setdefault(path.name.rsplit("-", 1)[0], []).append(curve)
    rng = np.random.default_rng(0)
    out = sys.stdout.write
    counts = ", ".join(f"{name}: {len(curves)}" for name, curves in targets.items())
    out(f"trials recorded: {counts}; {given.orders} orders of {given.trials} each\n\n")
    out("| rule | stopped % | work % | best stopped % | of the best 3 % | regret, points |\n")
    out("|---|---|---|---|---|---|\n")
    orders = [
        [curves[i] for i in rng.permutation(len(curves))[: given.trials]]
        for curves in targets.values()
        for _ in range(given.orders)
    ]
    for name, rule in RULES.items():
        found = [replayed(order, rule) for order in orders]
        cells = [
            100 * float(np.mean([getattr(one, key) for one in found]))
            for key in ("stopped", "work", "lost_best", "lost_three", "regret")
        ]
        out(f"| {name} | " + " | ".join(f"{c:.0f}" for c in cells[:4]) + f" | {cells[4]:.2f} |\n")


def main() -> int:
    """Record or replay."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("record")
    one.add_argument("table", type=Path)
    one.add_argument("catalogue")
    one.add_argument("pictures", nargs="+")
    one.add_argument("--plugin", action="append", default=[])
    one.add_argument("--source", action="append", required=True)
    one.add_argument("--pictures-each", type=int, default=150)
    one.add_argument("--side", type=int, default=96)
    one.add_argument("--trials", type=int, default=40)
    one.add_argument("--minutes", type=float, default=30.0)
    two = commands.add_parser("replay")
    two.add_argument("table", type=Path)
    two.add_argument("--orders", type=int, default=500)
    two.add_argument("--trials", type=int, default=24)
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    record(given) if given.command == "record" else replay(given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
