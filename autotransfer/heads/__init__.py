"""Linear heads on frozen features: cheap, convex, and with an honest choice of penalty."""

from autotransfer.heads.discriminant import fit_discriminant
from autotransfer.heads.linear import LinearHead
from autotransfer.heads.logistic import fit_logistic
from autotransfer.heads.nearest_mean import fit_nearest_mean
from autotransfer.heads.ridge import fit_ridge

__all__ = ["LinearHead", "fit_discriminant", "fit_logistic", "fit_nearest_mean", "fit_ridge"]
