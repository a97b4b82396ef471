"""What the core itself offers through the hooks: its estimators, and the obvious."""

from __future__ import annotations

from collections.abc import Sequence

from autotransfer.fusion import DefaultProbe, MeanOfProbes, MixtureOfProbes
from autotransfer.hookspecs import hookimpl
from autotransfer.strategy import Strategy
from autotransfer.transferability import ESTIMATORS
from autotransfer.transferability.estimator import TransferabilityEstimator


@hookimpl
def autotransfer_estimators() -> Sequence[TransferabilityEstimator]:
    """Offer the first-party estimators."""
    return ESTIMATORS


@hookimpl
def autotransfer_strategies() -> Sequence[Strategy]:
    """Offer the obvious: a probe of the default source, and the probes of all put together."""
    return (DefaultProbe(), MixtureOfProbes(), MeanOfProbes())
