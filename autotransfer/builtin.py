"""What the core itself offers through the hooks: its estimators."""

from __future__ import annotations

from collections.abc import Sequence

from autotransfer.hookspecs import hookimpl
from autotransfer.transferability import ESTIMATORS
from autotransfer.transferability.estimator import TransferabilityEstimator


@hookimpl
def autotransfer_estimators() -> Sequence[TransferabilityEstimator]:
    """Offer the first-party estimators."""
    return ESTIMATORS
