"""How often pruning would have stopped the best trial: rules replayed over real learning curves.

    python tests/benchmarks/pruning.py TABLE [--orders 500] [--trials 24]

`pruning_record.py` fills the folder TABLE. The trials are shuffled, and each rule is asked what it
would have stopped: the share of trials that are stopped, the work that is left, how often the best
one and one of the best three are stopped, and by how much the best validation score of those that
went on is worse than the best of all.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autotransfer.search.pruning import LEAST_KNOWN, RUNGS_PER_FOLD, Losses, clearly_worse, rivals

_SHARES = (1 / 9, 1 / 3, 1.0)  # of a fold, at its rungs
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
    "best 1/2, 1 error, first fold": share_rule(1 / 2, 1.0, 1),
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
    priority = sorted(range(len(curves)), key=lambda i: (-curves[i].value, curves[i].log_loss))
    best = max((curves[i].value for i in done), default=0.0)
    return Replayed(
        1 - len(done) / len(curves),
        work / sum(curve.seconds for curve in curves),
        priority[0] not in done,
        float(np.mean([i not in done for i in priority[:_BEST]])),
        curves[priority[0]].value - best,
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
    """Replay."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--orders", type=int, default=500)
    parser.add_argument("--trials", type=int, default=24)
    replay(parser.parse_args())
    return 0


if __name__ == "__main__":
    sys.exit(main())
