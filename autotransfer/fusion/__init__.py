"""What a user would do in twenty lines: a probe of each source, and their mean or mixture."""

from autotransfer.fusion.strategies import DefaultProbe, MeanOfProbes, MixtureOfProbes

__all__ = ["DefaultProbe", "MeanOfProbes", "MixtureOfProbes"]
