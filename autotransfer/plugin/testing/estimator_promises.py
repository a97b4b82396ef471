"""What every transferability estimator owes the core, promise by promise."""

from __future__ import annotations

import math
import warnings

import numpy as np

from autotransfer.errors import DataWarning, UndefinedScoreError
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.plugin.need import Need
from autotransfer.plugin.testing.promises import BrokenPromiseError, DoesNotApply, Promise, demand

_TOLERANCE = 1e-12


def generated_statistics(*, n: int = 60, d: int = 8, head: bool = True) -> Statistics:
    """Return statistics of three classes, (n, d) normal features and a source head of five."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    features = rng.normal(size=(n, d)) + 2.0 * np.eye(3, d)[labels]
    probabilities = rng.dirichlet(np.ones(5), size=n)
    return Statistics.of(features.astype(np.float32), labels, probabilities if head else None)


def _the_score_is_a_finite_number(estimator: TransferabilityEstimator) -> None:
    score = estimator.score(generated_statistics())
    demand(math.isfinite(score), f"the score is {score}")


def _the_same_statistics_give_the_same_score(estimator: TransferabilityEstimator) -> None:
    first = estimator.score(generated_statistics())
    second = estimator.score(generated_statistics())
    demand(
        math.isclose(first, second, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE),
        f"the score is {first!r} once and {second!r} the next time",
    )


def _fewer_items_than_features_give_a_number_or_say_why_not(
    estimator: TransferabilityEstimator,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        try:
            score = estimator.score(generated_statistics(n=12, d=40))
        except UndefinedScoreError as reason:
            demand(bool(str(reason)), "UndefinedScoreError was raised without a reason")
        else:
            demand(math.isfinite(score), f"12 items with 40 features have the score {score}")


def _it_says_when_it_needs_a_head(estimator: TransferabilityEstimator) -> None:
    if Need.SOURCE_HEAD not in estimator.needs:
        raise DoesNotApply("it needs no head")
    try:
        score = estimator.score(generated_statistics(head=False))
    except UndefinedScoreError:
        return
    raise BrokenPromiseError(f"without source probabilities the score is {score}")


ESTIMATOR_PROMISES: tuple[Promise[TransferabilityEstimator], ...] = (
    Promise(
        _the_score_is_a_finite_number,
        "return a float; raise UndefinedScoreError where there is no value, never NaN",
    ),
    Promise(
        _the_same_statistics_give_the_same_score,
        "fix the seed of all that is random, and do not change the statistics in place",
    ),
    Promise(
        _fewer_items_than_features_give_a_number_or_say_why_not,
        "raise UndefinedScoreError with the reason where n <= d leaves no value",
    ),
    Promise(
        _it_says_when_it_needs_a_head,
        "read the probabilities with statistics.require_probabilities(self.name)",
    ),
)
