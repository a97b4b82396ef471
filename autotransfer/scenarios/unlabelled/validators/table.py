"""All validators by name, and which of them may decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from autotransfer.errors import UndefinedScoreError
from autotransfer.scenarios.unlabelled.validators.bnm import bnm
from autotransfer.scenarios.unlabelled.validators.circular import circular
from autotransfer.scenarios.unlabelled.validators.class_ami import class_ami
from autotransfer.scenarios.unlabelled.validators.dev import dev
from autotransfer.scenarios.unlabelled.validators.diversity import diversity
from autotransfer.scenarios.unlabelled.validators.entropy import negative_entropy
from autotransfer.scenarios.unlabelled.validators.evidence import Evidence
from autotransfer.scenarios.unlabelled.validators.infomax import infomax
from autotransfer.scenarios.unlabelled.validators.iwcv import iwcv
from autotransfer.scenarios.unlabelled.validators.mixval import mixval
from autotransfer.scenarios.unlabelled.validators.rank_me import rank_me
from autotransfer.scenarios.unlabelled.validators.snd import snd
from autotransfer.scenarios.unlabelled.validators.source_accuracy import source_accuracy

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
