"""Finalist against its rival on domains that neither has seen: the domain is the unit.

A score is the mean over the left-out domains, every domain weighing the same. The interval is
Student's t over the D gaps: it is about the mean gap on further domains drawn like these.
Resampling a handful of domains would give limits that are too narrow. With fewer than five,
normality and the drawing itself carry all of it, so nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autotransfer.guard.bootstrap import DRAWS, LEVEL, TOLERANCE, Comparison, mean_score
from autotransfer.guard.exact_limits import mcnemar
from autotransfer.models.metrics import Metric
from autotransfer.results import DomainScore, Interval

CLAIM_FROM = 5  # domains; fewer carry no interval
_POWER = 0.8


def domain_scores(
    metric: Metric,
    labels: NDArray[np.int64],
    finalist: NDArray[np.float64],
    rival: NDArray[np.float64],
    domains: Sequence[str],
) -> tuple[DomainScore, ...]:
    """Return the score of both on each left-out domain, in the order of names.

    Args:
        metric: The score.
        labels: (m,) classes.
        finalist: (m, K) probabilities, or (R, m, K) of R rounds.
        rival: The same of what it is compared with.
        domains: (m,) name of the domain of each item.
    """
    found = []
    for name in np.unique(domains):
        here = np.flatnonzero(np.array(domains) == name)
        scores = (mean_score(metric, labels[here], p[..., here, :]) for p in (finalist, rival))
        found.append(DomainScore(str(name), len(here), *scores))
    return tuple(found)


def compare_domains(
    metric: Metric, scores: Sequence[DomainScore], *, level: float = LEVEL, inflation: float = 1.0
) -> Comparison:
    """Return the mean gap over domains, with the interval of Student's t over domains.

    Args:
        metric: The score.
        scores: Of D >= 2 left-out domains.
        level: Error on each side of the interval.
        inflation: What the variance is multiplied by.
    """
    from scipy.stats import t

    own = np.array([score.test for score in scores])
    gaps = own - np.array([score.rival for score in scores])
    n, mean = len(gaps), float(gaps.mean())
    error = float((inflation * gaps.var(ddof=1) / n) ** 0.5)

    def limits(value: float, error: float, level: float) -> Interval:
        reach = float(t.ppf(1 - level, n - 1)) * error
        return Interval(value, value - reach, value + reach, n)

    test = limits(float(own.mean()), float((own.var(ddof=1) / n) ** 0.5), LEVEL)
    if metric.reads_decisions:
        test = Interval(test.value, max(0.0, test.low), min(1.0, test.high), n)
    grid = (np.arange(DRAWS) + 0.5) / DRAWS
    wins, losses = int((gaps > TOLERANCE).sum()), int((gaps < -TOLERANCE).sum())
    return Comparison(
        metric=metric,
        n=n,
        test=test,
        rival=float(own.mean()) - mean,
        gap=limits(mean, error, level),
        narrow=limits(mean, error, 2 * level),
        standard_error=error,
        minimum_detectable=float(t.ppf(1 - level, n - 1) + t.ppf(_POWER, n - 1)) * error,
        mcnemar=mcnemar(wins, losses),
        draws=mean + error * t.ppf(grid, n - 1),
    )
