"""Linear heads on frozen features: cheap, convex, and with an honest choice of penalty."""

from autotransfer.heads.linear import LinearHead
from autotransfer.heads.logistic import fit_logistic
from autotransfer.heads.ridge import fit_ridge

__all__ = ["LinearHead", "fit_logistic", "fit_ridge"]
