"""autotransfer: what to transfer, how, and when not to.

The names below are imported when they are first used, so that importing the package (and
`autotransfer --help`) costs nothing.
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

from autotransfer.plugin.hookspecs import hookimpl

if TYPE_CHECKING:
    from autotransfer.inspection.compare import ModelComparison, compare_models
    from autotransfer.inspection.distance import Distance, distance
    from autotransfer.labelling.suggesting import suggest_labels
    from autotransfer.labelling.suggestion import Suggestion
    from autotransfer.orchestrator import fit, fit_features, rank
    from autotransfer.scenarios.budget import Budget
    from autotransfer.scenarios.options import Options
    from autotransfer.selection.selection import Selection, load
    from autotransfer.sklearn import AutoTransferClassifier
    from autotransfer.transferability import score_features
    from autotransfer.transferability.distances import domain_distance

__version__ = "0.1.0"

_HOMES = {
    "fit": "autotransfer.orchestrator",
    "fit_features": "autotransfer.orchestrator",
    "rank": "autotransfer.orchestrator",
    "compare_models": "autotransfer.inspection.compare",
    "ModelComparison": "autotransfer.inspection.compare",
    "distance": "autotransfer.inspection.distance",
    "Distance": "autotransfer.inspection.distance",
    "suggest_labels": "autotransfer.labelling.suggesting",
    "Suggestion": "autotransfer.labelling.suggestion",
    "AutoTransferClassifier": "autotransfer.sklearn",
    "load": "autotransfer.selection.selection",
    "Selection": "autotransfer.selection.selection",
    "Budget": "autotransfer.scenarios.budget",
    "Options": "autotransfer.scenarios.options",
    "score_features": "autotransfer.transferability",
    "domain_distance": "autotransfer.transferability.distances",
}

__all__ = [
    "fit",
    "fit_features",
    "rank",
    "compare_models",
    "distance",
    "suggest_labels",
    "load",
    "AutoTransferClassifier",
    "Selection",
    "Budget",
    "Options",
    "Distance",
    "Suggestion",
    "ModelComparison",
    "score_features",
    "domain_distance",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        with warnings.catch_warnings():  # tqdm asks for ipywidgets, which nothing here shows
            warnings.filterwarnings("ignore", message="IProgress not found")
            return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'autotransfer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
