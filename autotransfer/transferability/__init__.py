"""Scores of how well a source suits a target, from its features alone."""

from __future__ import annotations

from collections.abc import Sequence

from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.plugin.hookspecs import hookimpl
from autotransfer.transferability.first_party import ESTIMATORS
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
from autotransfer.transferability.scoring import score_features

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


@hookimpl
def autotransfer_estimators() -> Sequence[TransferabilityEstimator]:
    """Offer the first-party estimators."""
    return ESTIMATORS
