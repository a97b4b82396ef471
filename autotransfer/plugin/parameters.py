"""The parameters of a search space: numbers, choices, and the knobs that all strategies share."""

from autotransfer.plugin.space import (
    Parameter,
    choice,
    depth,
    fixed,
    floating,
    integer,
    learning_rate_multiplier,
    regularisation,
    training_space,
)

__all__ = [
    "Parameter",
    "floating",
    "integer",
    "choice",
    "fixed",
    "learning_rate_multiplier",
    "regularisation",
    "depth",
    "training_space",
]
