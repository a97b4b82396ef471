"""An `.npz` file of named feature matrices on the command line."""

from __future__ import annotations

from typing import Any

import numpy as np

from autotransfer.errors import InvalidTargetError
from autotransfer.models.precomputed_features import Matrices
from autotransfer.orchestrator import fit_features
from autotransfer.selection.selection import Selection

BASELINE = "baseline"  # the matrix of this name uses no source


def run_features(matrices: tuple[Matrices, Matrices | None], options: dict[str, Any]) -> Selection:
    """Return the fit of feature matrices.

    Raises:
        InvalidTargetError: If they have no labels.
    """
    train, test = matrices
    if train.labels is None:
        raise InvalidTargetError("the feature matrices come without labels; add an array y")

    def named(part: Matrices) -> Any:
        return np.array(part.class_names)[part.labels]

    return fit_features(
        train.by_source,
        named(train),
        test=None if test is None else (test.by_source, named(test)),
        baseline=BASELINE if BASELINE in train.by_source else None,
        **options,
    )
