"""Linear heads on frozen features: fitted, put together, and wrapped in a predictor."""

from autotransfer.models.heads import (
    LinearHead,
    fit_discriminant,
    fit_logistic,
    fit_nearest_mean,
    fit_ridge,
)
from autotransfer.models.heads.joint_ridge import JointRidge, fit_joint_ridge
from autotransfer.models.heads.linear import (
    Standardisation,
    inverse_temperature,
    unit_rows,
    with_absent,
)
from autotransfer.models.heads.logistic import DEFAULT_C, full_head, solve_logistic
from autotransfer.models.heads.ridge import HeldOutRidge, leave_one_out
from autotransfer.models.heads.unit_ridge import fit_unit_ridge
from autotransfer.models.mixture_weights import mixture_weights
from autotransfer.models.predictors.neural import (
    HeadPredictor,
    restore_head,
    side_by_side,
    traced_logits,
)

__all__ = [
    "LinearHead",
    "HeadPredictor",
    "restore_head",
    "fit_ridge",
    "fit_unit_ridge",
    "fit_joint_ridge",
    "JointRidge",
    "fit_logistic",
    "fit_discriminant",
    "fit_nearest_mean",
    "leave_one_out",
    "HeldOutRidge",
    "DEFAULT_C",
    "solve_logistic",
    "full_head",
    "Standardisation",
    "with_absent",
    "inverse_temperature",
    "unit_rows",
    "mixture_weights",
    "side_by_side",
    "traced_logits",
]
