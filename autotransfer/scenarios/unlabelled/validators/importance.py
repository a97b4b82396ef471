"""Importance weights of source images, from a linear classifier between the domains."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from autotransfer.models.heads.linear import Standardisation
from autotransfer.models.single_thread import single_thread
from autotransfer.scenarios.unlabelled.validators.evidence import Evidence

LARGEST = 20.0


def importance(evidence: Evidence) -> NDArray[np.float64]:
    """Return the (m,) ratios of target to source density at held-out source images.

    References:
        Bickel, Bruckner & Scheffer, Discriminative Learning for Differing Training and Test
        Distributions, ICML 2007.
    """
    source, target = evidence.source_features, evidence.target_features
    both = np.concatenate([source, target])
    rows = Standardisation.of(both).apply(both)
    domains = np.repeat([0, 1], [len(source), len(target)])
    solver = LogisticRegression(C=0.01, max_iter=100)
    with warnings.catch_warnings(), single_thread():
        warnings.simplefilter("ignore", ConvergenceWarning)
        solver.fit(rows, domains)
        odds = np.exp(solver.decision_function(rows[: len(source)]))
    weights: NDArray[np.float64] = np.clip(odds * len(source) / len(target), 0, LARGEST)
    return weights
