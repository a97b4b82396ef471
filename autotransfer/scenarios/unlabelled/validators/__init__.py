"""Label-free scores of a predictor on unlabelled target images; higher is better.

None of them is safe alone: `autotransfer.scenarios.unlabelled.consensus` says how they decide
together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from autotransfer.errors import UndefinedScoreError
from autotransfer.scenarios.unlabelled.validators.certainty import (
    bnm,
    diversity,
    infomax,
    negative_entropy,
    snd,
)
from autotransfer.scenarios.unlabelled.validators.evidence import Evidence, Mixed
from autotransfer.scenarios.unlabelled.validators.importance import dev, iwcv
from autotransfer.scenarios.unlabelled.validators.mixval import mixval
from autotransfer.scenarios.unlabelled.validators.source_accuracy import source_accuracy
from autotransfer.scenarios.unlabelled.validators.target_features import (
    circular,
    class_ami,
    rank_me,
)

__all__ = ["DECIDING", "LOGGED", "Evidence", "Mixed", "validate"]

Validator = Callable[[Evidence], float]

# Ensemble agreement joins these where the candidates are compared: it needs all of them.
DECIDING: Mapping[str, Validator] = {
    "source-accuracy": source_accuracy,
    "diversity": diversity,
    "entropy": negative_entropy,
    "infomax": infomax,
    "bnm": bnm,
    "class-ami": class_ami,
    "circular": circular,
    "mixval": mixval,
}
# In public benchmarks these choose collapsed or useless predictors: written down, never used.
LOGGED: Mapping[str, Validator] = {"snd": snd, "rank-me": rank_me, "iwcv": iwcv, "dev": dev}


def validate(evidence: Evidence) -> dict[str, float]:
    """Return the value of every validator that has one here."""
    found = {}
    for name, validator in {**DECIDING, **LOGGED}.items():
        try:
            found[name] = validator(evidence)
        except UndefinedScoreError:
            continue
    return found
