"""One bad estimator for each promise."""

from __future__ import annotations

import itertools

import pytest
from typing_extensions import override

from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.plugin.need import Need
from autotransfer.plugin.testing import check_estimator


class Counting(TransferabilityEstimator):
    """It scores 1, 2, 3 and so on."""

    name = "counting"

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    @override
    def score(self, statistics: Statistics) -> float:
        return float(next(self._numbers))


class Undefined(TransferabilityEstimator):
    """It has no value for anything, and says so with a number."""

    name = "undefined"

    @override
    def score(self, statistics: Statistics) -> float:
        return float("nan")


class Headless(TransferabilityEstimator):
    """It says that it needs a head, and does without."""

    name = "headless"
    needs = frozenset({Need.SOURCE_HEAD})

    @override
    def score(self, statistics: Statistics) -> float:
        return float(statistics.num_classes)


@pytest.mark.parametrize(
    ("estimator", "promise", "problem"),
    [
        (Counting(), "the same statistics give the same score", "the score is 2.0 once and 3.0"),
        (Undefined(), "the score is a finite number", "the score is nan"),
        (
            Undefined(),
            "fewer items than features give a number or say why not",
            "12 items with 40 features have the score nan",
        ),
        (
            Headless(),
            "it says when it needs a head",
            "probabilities the score is 3",
        ),
    ],
)
def test_a_breach_is_found_and_told_in_words(
    estimator: TransferabilityEstimator, promise: str, problem: str
) -> None:
    found = {finding.promise: finding for finding in check_estimator(estimator)}[promise]
    assert found.kept is False
    assert problem in found.problem
    assert found.remedy


def test_a_promise_without_meaning_is_neither_kept_nor_broken() -> None:
    found = list(check_estimator(Undefined()))[-1]
    assert found.kept is None
    assert found.problem == "it needs no head"
