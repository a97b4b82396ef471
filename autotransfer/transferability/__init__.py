"""Scores of how well a source suits a target, from its features alone."""

from __future__ import annotations

from collections.abc import Sequence

from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.plugin.hookspecs import hookimpl
from autotransfer.transferability.first_party import ESTIMATORS
from autotransfer.transferability.gbc import Gbc, GbcDiagonal
from autotransfer.transferability.h_score import HScore
from autotransfer.transferability.knn import NearestNeighbour
from autotransfer.transferability.leep import Leep
from autotransfer.transferability.lfc import Lfc
from autotransfer.transferability.logme import LogME
from autotransfer.transferability.n_leep import NLeep
from autotransfer.transferability.nce import Nce
from autotransfer.transferability.parc import Parc
from autotransfer.transferability.probe_cv import ProbeCv
from autotransfer.transferability.rankme import RankMe
from autotransfer.transferability.regularised_h_score import RegularisedHScore
from autotransfer.transferability.ridge_loo import RidgeLoo
from autotransfer.transferability.scoring import score_features
from autotransfer.transferability.sfda import Sfda
from autotransfer.transferability.transrate import TransRate

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
