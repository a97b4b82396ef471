"""What a user would do in twenty lines: a probe of each source, and their mean or mixture."""

from __future__ import annotations

from collections.abc import Sequence

from autotransfer.plugin import Strategy, hookimpl
from autotransfer_fusion.strategies import DefaultProbe, MeanOfProbes, MixtureOfProbes

__all__ = ["DefaultProbe", "MeanOfProbes", "MixtureOfProbes"]


@hookimpl
def autotransfer_strategies() -> Sequence[Strategy]:
    """Offer the obvious: a probe of the default source, and the probes of all put together."""
    return (DefaultProbe(), MixtureOfProbes(), MeanOfProbes())
