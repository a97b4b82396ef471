"""Label-free scores of a predictor on unlabelled target images; higher is better.

None of them is safe alone: `autotransfer.scenarios.unlabelled.consensus` says how they decide
together.
"""

from autotransfer.scenarios.unlabelled.validators.evidence import Evidence, Mixed
from autotransfer.scenarios.unlabelled.validators.table import (
    DECIDING,
    LOGGED,
    VALIDATORS,
    validate,
)

__all__ = ["DECIDING", "LOGGED", "VALIDATORS", "Evidence", "Mixed", "validate"]
