"""What a trial will cost: measured seconds a unit of work, by source and strategy."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autotransfer.models.training import RUNGS
from autotransfer.results import Outcome, ParamValue, State
from autotransfer.search.pruning import RUNGS_PER_FOLD

MARGIN = 1.2  # a trial is predicted this much longer: a late one would be lost
_SHRINKAGE = 0.1  # towards no effect of a source, in units of one observation
_SHARES = (*RUNGS, 1.0)


def work_of(params: Mapping[str, ParamValue]) -> float:
    """Return the work of a point: passes over the items, or how often its steps are taken.

    Args:
        params: With `epochs` or, of methods that count in steps, `effort`; else it is 1.
    """
    epochs = params.get("epochs", params.get("effort", 1))
    return float(epochs) if isinstance(epochs, int | float) else 1.0


@dataclass(frozen=True)
class CostModel:
    """Logarithm of the seconds a unit of work = strategy + source; pairs that ran speak first.

    Args:
        pairs: Mean seconds a unit of work of each (source, strategy) that ran.
        strategies: Log seconds a unit of work of each strategy, on a middling source.
        sources: What each source adds to that.
    """

    pairs: Mapping[tuple[str, str], float]
    strategies: Mapping[str, float]
    sources: Mapping[str, float]

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], num_folds: int) -> CostModel:
        """Return the model of what was measured so far; a pruned trial counts for its share."""
        rates: dict[tuple[str, str], list[float]] = defaultdict(list)
        for outcome in outcomes:
            done = _done(outcome, num_folds)
            if done > 0 and outcome.seconds > 0:
                rate = outcome.seconds / (done * work_of(outcome.params))
                rates[outcome.source, outcome.strategy].append(rate)
        pairs = {pair: float(np.mean(found)) for pair, found in rates.items()}
        return cls(pairs, *_effects(pairs))

    def seconds(
        self, source: str, strategy: str, params: Mapping[str, ParamValue]
    ) -> float | None:
        """Return the predicted seconds of a trial; None for a strategy that never ran."""
        rate = self.pairs.get((source, strategy))
        if rate is None:
            if strategy not in self.strategies:
                return None
            rate = math.exp(self.strategies[strategy] + self.sources.get(source, 0.0))
        return MARGIN * rate * work_of(params)


def _done(outcome: Outcome, num_folds: int) -> float:
    """Return the share of a trial that ran; the most that can be where it was out of time."""
    if outcome.state is State.COMPLETE:
        return 1.0
    if outcome.state is State.FAILED:
        return 0.0
    if not outcome.rungs:  # it saw that it would not end in time, before its first rung
        return RUNGS[0] / max(num_folds, 1)
    fold, rung = divmod(outcome.rungs[-1][0], RUNGS_PER_FOLD)
    return (fold + _SHARES[rung]) / max(num_folds, 1)


def _effects(pairs: Mapping[tuple[str, str], float]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the effects of strategies and sources by shrunk least squares."""
    if not pairs:
        return {}, {}
    strategies = sorted({strategy for _, strategy in pairs})
    sources = sorted({source for source, _ in pairs})
    design = np.array(
        [[*(s == own for s in strategies), *(s == of for s in sources)] for of, own in pairs],
        dtype=float,
    )
    penalty = np.diag([1e-9] * len(strategies) + [_SHRINKAGE] * len(sources))
    logs = np.log(np.array(list(pairs.values())))
    found = np.linalg.solve(design.T @ design + penalty, design.T @ logs).tolist()
    of_strategies = dict(zip(strategies, found, strict=False))
    return of_strategies, dict(zip(sources, found[len(strategies) :], strict=True))
