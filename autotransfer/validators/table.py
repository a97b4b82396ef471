"""All validators by name, and which of them may decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from autotransfer.errors import UndefinedScoreError
from autotransfer.validators.bnm import bnm
from autotransfer.validators.circular import circular
from autotransfer.validators.class_ami import class_ami
from autotransfer.validators.dev import dev
from autotransfer.validators.diversity import diversity
from autotransfer.validators.entropy import negative_entropy
from autotransfer.validators.evidence import Evidence
from autotransfer.validators.infomax import infomax
from autotransfer.validators.iwcv import iwcv
from autotransfer.validators.mixval import mixval
from autotransfer.validators.rank_me import rank_me
from autotransfer.validators.snd import snd
from autotransfer.validators.source_accuracy import source_accuracy

Validator = Callable[[Evidence], float]

# Ensemble agreement joins these where the candidates are compared: it needs all of them.
DECIDING: Mapping[str, Validator] = MappingProxyType(
    {
        "source-accuracy": source_accuracy,
        "diversity": diversity,
        "entropy": negative_entropy,
        "infomax": infomax,
        "bnm": bnm,
        "class-ami": class_ami,
        "circular": circular,
        "mixval": mixval,
    }
)
# In public benchmarks these choose collapsed or useless predictors: written down, never used.
LOGGED: Mapping[str, Validator] = MappingProxyType(
    {"snd": snd, "rank-me": rank_me, "iwcv": iwcv, "dev": dev}
)
VALIDATORS: Mapping[str, Validator] = MappingProxyType({**DECIDING, **LOGGED})


def validate(evidence: Evidence) -> dict[str, float]:
    """Return the value of every validator that has one here."""
    found = {}
    for name, validator in VALIDATORS.items():
        try:
            found[name] = validator(evidence)
        except UndefinedScoreError:
            continue
    return found
