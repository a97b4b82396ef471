"""Ways to keep what a source knows while it is tuned; each works on any network."""

from autotransfer_fine_tune.regularisers.co_tuning import (
    calibrated,
    class_relationship,
    co_tuning_loss,
)
from autotransfer_fine_tune.regularisers.distillation import distillation_loss
from autotransfer_fine_tune.regularisers.feature_maps import FeatureMaps
from autotransfer_fine_tune.regularisers.l2_sp import StartingPoint
from autotransfer_fine_tune.regularisers.low_rank import LowRank
from autotransfer_fine_tune.regularisers.relations import relational_loss
from autotransfer_fine_tune.regularisers.wise_ft import interpolate

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
