"""The scores that come with the package."""

from __future__ import annotations

from autotransfer.plugin.estimator import TransferabilityEstimator
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
