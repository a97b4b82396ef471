"""Linear heads on frozen features: cheap, convex, and with an honest choice of penalty."""

from autotransfer.models.heads.lda import fit_discriminant
from autotransfer.models.heads.linear import LinearHead
from autotransfer.models.heads.logistic import fit_logistic
from autotransfer.models.heads.nearest_centroid import fit_nearest_mean
from autotransfer.models.heads.ridge import fit_ridge

__all__ = ["LinearHead", "fit_discriminant", "fit_logistic", "fit_nearest_mean", "fit_ridge"]
