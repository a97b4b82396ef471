"""The scores that come with the package."""

from __future__ import annotations

from autotransfer.plugin.estimator import TransferabilityEstimator
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
from autotransfer.transferability.sfda import Sfda
from autotransfer.transferability.transrate import TransRate

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
