"""Whether one more trial is worth its seconds.

The gain of a search over the obvious has a normal distribution that is known beforehand
(`expected_gain`) and, once trials have ended, what they have measured. Half of it is found by the
first trial, which is a default on the best source, two thirds by the second, k / (k + 1) by k of
them. The next one is worth its time where it is expected to bring at least a tenth of a point for
each minute that it takes (0.002 nats of log loss).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtr

from autotransfer.models.metrics import Metric
from autotransfer.results import Outcome, State, Stopped
from autotransfer.search.expected_gain import NATS_PER_POINT, Gain

A_MINUTE = 0.001  # of the score: a tenth of a point
CHECK_AGAIN = 1.3  # times as many trials, before the gain is measured again

Measure = Callable[[Sequence[Outcome]], tuple[float, float] | None]


def positive_part(mean: float, deviation: float) -> float:
    """Return the expectation of max(G, 0), where G is normal."""
    if deviation <= 0:
        return max(mean, 0.0)
    z = mean / deviation
    return float(mean * ndtr(z) + deviation * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi))


def share_found(trials: float) -> float:
    """Return the share of the gain of an endless search that so many trials have found."""
    return 1.0 if math.isinf(trials) else trials / (trials + 1)


@dataclass
class Worth:
    """Says of the outcomes so far whether the search is to go on.

    Args:
        metric: What is maximised.
        known: The gain that is known beforehand, in units of the metric.
        measure: Returns the gain of what would be chosen now, measured on folds that had no part
            in the choice, and its standard error; None where there is nothing to measure.
        strategies: Names of the strategies whose trials are counted.
        first_seconds: What the first trial is expected to take.
    """

    metric: Metric
    known: Gain
    measure: Measure
    strategies: frozenset[str]
    first_seconds: float
    _measured: tuple[int, float] | None = field(default=None, init=False)

    def __call__(
        self, outcomes: Sequence[Outcome], seconds: float, seconds_left: float
    ) -> Stopped | None:
        """Return why the search ends, or None where it goes on.

        Args:
            outcomes: Everything that was tried.
            seconds: Time of the fit so far.
            seconds_left: Time left for the search.
        """
        ended = [
            o
            for o in outcomes
            if o.strategy in self.strategies
            and not o.probe
            and o.state in (State.COMPLETE, State.PRUNED)
        ]
        k = len(ended)
        each = sum(o.seconds for o in ended) / k if k else self.first_seconds
        gain = self._gain(outcomes, k)
        metric, decides = self.metric, self.metric.reads_decisions
        least = A_MINUTE * each / 60 * (1 if decides else NATS_PER_POINT)
        if gain * (share_found(k + 1) - share_found(k)) >= least:
            return None
        possible = k + seconds_left / max(each, 1e-3)
        rest = gain * (share_found(possible) - share_found(k))
        amount = f"{metric.scale * rest:.{1 if decides else 3}f} {metric.unit}"
        return Stopped(
            f"searched {seconds:.0f} s; {_minutes(seconds_left)} more are expected to bring "
            f"{amount} (--keep-searching goes on)",
            rest,
        )

    def _gain(self, outcomes: Sequence[Outcome], k: int) -> float:
        """Return the expected gain of an endless search, given what so many trials have shown."""
        if self._measured is not None and k < CHECK_AGAIN * self._measured[0]:
            return self._measured[1]
        found = self.measure(outcomes) if k else None
        gain = positive_part(self.known.mean, self.known.deviation)
        if found is not None:
            measured, error = found
            mean = self.known.given(measured, error)
            spread = 1 / math.sqrt(self.known.deviation**-2 + max(error, 1e-9) ** -2)
            gain = positive_part(mean, spread) / share_found(k)
        self._measured = (k, gain)
        return gain


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes"
