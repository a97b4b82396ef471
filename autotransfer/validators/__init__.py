"""Label-free scores of a predictor on unlabelled target pictures; higher is better.

None of them is safe alone: see `autotransfer.unlabelled.consensus` for how they decide together.
"""

from autotransfer.validators.evidence import Evidence, Mixed
from autotransfer.validators.table import DECIDING, LOGGED, VALIDATORS, validate

__all__ = ["DECIDING", "LOGGED", "VALIDATORS", "Evidence", "Mixed", "validate"]
