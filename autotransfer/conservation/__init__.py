"""Ways to keep what a source knows while it is tuned; each works on any network."""

from autotransfer.conservation.co_tuning import (
    calibrated,
    class_relationship,
    co_tuning_loss,
)
from autotransfer.conservation.distillation import distillation_loss
from autotransfer.conservation.feature_maps import FeatureMaps
from autotransfer.conservation.l2_sp import StartingPoint
from autotransfer.conservation.low_rank import LowRank
from autotransfer.conservation.relations import relational_loss
from autotransfer.conservation.wise_ft import interpolate

__all__ = [
    "FeatureMaps",
    "LowRank",
    "StartingPoint",
    "calibrated",
    "class_relationship",
    "co_tuning_loss",
    "distillation_loss",
    "interpolate",
    "relational_loss",
]
