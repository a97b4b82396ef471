"""Source errors weighted by how much an image looks like the target; outliers decide them."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

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
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

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


def iwcv(evidence: Evidence) -> float:
    """Return minus the mean weighted 0/1 loss on held-out source images.

    References:
        Sugiyama, Krauledat & Müller, Covariate Shift Adaptation by Importance Weighted Cross
        Validation, JMLR 8, 2007.
    """
    wrong = evidence.source.argmax(axis=1) != evidence.source_labels
    return -float(np.mean(importance(evidence) * wrong))


def dev(evidence: Evidence) -> float:
    """Return minus the variance-reduced weighted 0/1 loss on held-out source images.

    References:
        You et al., Towards Accurate Model Selection in Deep Unsupervised Domain Adaptation,
        ICML 2019, equation 8.
    """
    weights = importance(evidence)
    wrong = (evidence.source.argmax(axis=1) != evidence.source_labels).astype(float)
    losses = weights * wrong
    variance = float(np.var(weights, ddof=1)) if len(weights) > 1 else 0.0
    covariance = float(np.cov(losses, weights)[0, 1]) if variance > 0 else 0.0
    eta = -covariance / variance if variance > 0 else 0.0
    return -float(losses.mean() + eta * weights.mean() - eta)
