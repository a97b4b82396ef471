"""Scores of how well a source suits a target, from its features alone."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.plugin.hookspecs import hookimpl
from autotransfer.transferability.named_values import named_values
from autotransfer.transferability.scores.gbc import Gbc, GbcDiagonal
from autotransfer.transferability.scores.h_score import HScore
from autotransfer.transferability.scores.knn import NearestNeighbour
from autotransfer.transferability.scores.leep import Leep
from autotransfer.transferability.scores.lfc import Lfc
from autotransfer.transferability.scores.logme import LogME
from autotransfer.transferability.scores.n_leep import NLeep
from autotransfer.transferability.scores.nce import Nce
from autotransfer.transferability.scores.parc import Parc
from autotransfer.transferability.scores.probe_cv import ProbeCv
from autotransfer.transferability.scores.rankme import RankMe
from autotransfer.transferability.scores.regularised_h_score import RegularisedHScore
from autotransfer.transferability.scores.ridge_loo import RidgeLoo
from autotransfer.transferability.scores.sfda import Sfda
from autotransfer.transferability.scores.transrate import TransRate

__all__ = [
    "ESTIMATORS",
    "Statistics",
    "TransferabilityEstimator",
    "score_features",
    "Gbc",
    "GbcDiagonal",
    "HScore",
    "Leep",
    "Lfc",
    "LogME",
    "NLeep",
    "Nce",
    "NearestNeighbour",
    "Parc",
    "ProbeCv",
    "RankMe",
    "RegularisedHScore",
    "RidgeLoo",
    "Sfda",
    "TransRate",
]

ESTIMATORS: tuple[TransferabilityEstimator, ...] = (
    LogME(),
    HScore(),
    RegularisedHScore(),
    Leep(),
    Nce(),
    NLeep(),
    TransRate(),
    Gbc(),
    GbcDiagonal(),
    Parc(),
    Sfda(),
    NearestNeighbour(),
    RidgeLoo(),
    ProbeCv(),
    Lfc(),
    RankMe(),
)


@hookimpl
def autotransfer_estimators() -> Sequence[TransferabilityEstimator]:
    """Offer the first-party estimators."""
    return ESTIMATORS


def score_features(
    X: ArrayLike,
    y: ArrayLike,
    estimators: Sequence[str] | None = None,
    source_probabilities: ArrayLike | None = None,
) -> dict[str, float]:
    """Return transferability scores of (n, d) features for (n,) labels; higher is better.

    Args:
        X: (n, d) features of the target images by one source.
        y: (n,) class of each image, of any kind.
        estimators: Names of the scores; None for all that are defined here.
        source_probabilities: (n, Z) class probabilities of the source's head.

    Returns:
        The score of each name, in the order asked for.

    Raises:
        UnknownNameError: If a name is not that of a score.
        UndefinedScoreError: If a named score has no value here.
        InvalidTargetError: A ValueError, if the input cannot be used.
    """
    known = {estimator.name: estimator.score for estimator in ESTIMATORS}
    return named_values(
        "estimator", known, estimators, lambda: Statistics.of(X, y, source_probabilities)
    )
