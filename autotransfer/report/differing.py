"""In what two sets of images differ: one number at a time, their classes, their cameras."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binom, chi2_contingency, mannwhitneyu

from autotransfer.report.looks import NUMBERS, Look

SIGNIFICANT = 0.05  # after Holm's correction
SMALL, MEDIUM, LARGE = 0.147, 0.33, 0.474  # of Cliff's delta (Romano et al. 2006)
FEWEST = 10  # values of each set


@dataclass(frozen=True)
class Difference:
    """One number of two sets.

    Args:
        name: What was compared.
        first: Its median in the first set; for shares, what is most frequent there.
        second: The same of the second.
        size: Cliff's delta in [-1, 1], positive where the second is larger; for classes and
            cameras the total variation distance in [0, 1].
        p_value: Of Mann-Whitney's or the chi-squared test, corrected after Holm.
    """

    name: str
    first: float | str
    second: float | str
    size: float
    p_value: float

    @property
    def clear(self) -> bool:
        """Return whether it is neither chance nor too small to matter."""
        return self.p_value < SIGNIFICANT and abs(self.size) >= SMALL

    @property
    def word(self) -> str:
        """Return none, small, medium or large."""
        if not self.clear:
            return "none"
        place = sum(abs(self.size) >= bound for bound in (SMALL, MEDIUM, LARGE))
        return ("none", "small", "medium", "large")[place]


def differences(first: Sequence[Look], second: Sequence[Look]) -> list[Difference]:
    """Return the difference of every number that both sets have, the largest first."""
    found = [_number(name, first, second) for name in NUMBERS]
    cameras = [[look.camera for look in looks if look.camera] for looks in (first, second)]
    if min(map(len, cameras)) >= FEWEST:
        found.append(share_difference("camera", *cameras))
    return sorted(_holm([one for one in found if one is not None]), key=lambda one: -abs(one.size))


def telling_apart(distance: float, n: int) -> tuple[float, float]:
    """Return how often a classifier tells two sets apart, and the p-value of doing so by chance.

    Args:
        distance: Proxy A-distance 2 (1 - 2 err), held out, on n images of each set.
        n: Images of each set.

    References:
        Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, ICLR 2017,
        arXiv:1610.06545.
    """
    accuracy = 0.5 + distance / 4
    hits = round(accuracy * 2 * n)
    return accuracy, float(binom.sf(hits - 1, 2 * n, 0.5))


def _number(name: str, first: Sequence[Look], second: Sequence[Look]) -> Difference | None:
    left, right = (
        np.array([v for look in looks if (v := getattr(look, name)) is not None], dtype=float)
        for looks in (first, second)
    )
    if min(len(left), len(right)) < FEWEST:
        return None
    test = mannwhitneyu(right, left)
    size = 2 * float(test.statistic) / (len(left) * len(right)) - 1
    medians = float(np.median(left)), float(np.median(right))
    return Difference(name, *medians, size, float(test.pvalue))


def share_difference(name: str, first: Sequence[str], second: Sequence[str]) -> Difference:
    """Return the difference of the shares of what two sets hold, such as classes."""
    left, right = Counter(first), Counter(second)
    kinds = list(dict.fromkeys([*left, *right]))
    table = np.array([[counts[kind] for kind in kinds] for counts in (left, right)])
    shares = table / table.sum(axis=1, keepdims=True)
    distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
    p_value = float(chi2_contingency(table).pvalue) if len(kinds) > 1 else 1.0
    most = [f"{kinds[row.argmax()]} ({100 * row.max():.0f} %)" for row in shares]
    return Difference(name, most[0], most[1], distance, p_value)


def _holm(found: Sequence[Difference]) -> list[Difference]:
    """Return the differences with p-values that hold for all of them together."""
    corrected, largest = {}, 0.0
    for place, one in enumerate(sorted(found, key=lambda difference: difference.p_value)):
        largest = max(largest, min(1.0, (len(found) - place) * one.p_value))
        corrected[one.name] = replace(one, p_value=largest)
    return [corrected[one.name] for one in found]
