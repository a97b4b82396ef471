"""Direct attribute prediction: a calibrated logistic regression for each attribute.

Attributes that cannot be predicted for classes that were held out get a slope near zero, so they
say nothing about new classes either.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from autotransfer.plugin import linear_algebra
from autotransfer_attribute_zero_shot.head_task import HeadTask
from autotransfer_attribute_zero_shot.predictor import Towers
from autotransfer_attribute_zero_shot.scaling import Array

MOST_DIRECTIONS = 256  # of the features, those of largest spread
PENALTY = 1.0  # on weights, where the images of a class weigh one together
_STEPS = 60
_PLATT_PRIOR = 0.1
_LEAST = 1e-3  # of a share, so that logits stay finite


def logistic_attributes(x: Array, targets: Array, weights: Array, penalty: float) -> Array:
    """Return (r + 1, a) weights, the last row the intercepts, of a regressions at once.

    Args:
        x: (n, r) features.
        targets: (n, a) shares in [0, 1].
        weights: (n,) weight of each image.
        penalty: On the squared weights; intercepts are free.
    """
    n, r = x.shape
    design = np.hstack([x, np.ones((n, 1))])
    penalties = np.append(np.full(r, penalty), 0.0)[:, None]

    def loss(flat: Array) -> tuple[float, Array]:
        beta = flat.reshape(r + 1, -1)
        scores = design @ beta
        shares = expit(scores)
        softplus = np.logaddexp(0.0, scores)
        value = (weights @ (softplus - targets * scores)).sum()
        value += (penalties * beta**2).sum() / 2
        gradient = design.T @ (weights[:, None] * (shares - targets)) + penalties * beta
        return float(value), gradient.ravel()

    start = np.zeros((r + 1) * targets.shape[1])
    with linear_algebra.single_thread():
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    return found.x.reshape(r + 1, -1)


def platt(scores: Array, targets: Array, weights: Array) -> tuple[Array, Array]:
    """Return (a,) slopes, none negative, and offsets that calibrate (n, a) held-out scores.

    Both are drawn to "says nothing" by a small penalty: an attribute has to prove itself.

    References:
        Platt, Probabilistic outputs for support vector machines, 1999; with shares as targets.
    """
    a = scores.shape[1]
    w = weights[:, None]

    def loss(flat: Array) -> tuple[float, Array]:
        slope, offset = flat[:a], flat[a:]
        z = slope * scores + offset
        error = w * (expit(z) - targets)
        value = (w * (np.logaddexp(0.0, z) - targets * z)).sum()
        value += _PLATT_PRIOR * float(np.square(flat).sum()) / 2
        return value, np.concatenate([(error * scores).sum(0), error.sum(0)]) + _PLATT_PRIOR * flat

    start = np.concatenate([np.full(a, 0.5), np.zeros(a)])
    bounds = [(0.0, None)] * a + [(None, None)] * a
    with linear_algebra.single_thread():
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return found.x[:a], found.x[a:]


def fit_dap(task: HeadTask, groups: Sequence[Sequence[int]]) -> Towers:
    """Return the towers of direct attribute prediction.

    The score of a row of shares r is the sum of r logit p + (1 - r) logit (1 - p), less the same
    of the mean share over the seen classes; what does not depend on the row is left out.

    Args:
        task: Its rows are the (K, a) attributes of the seen classes in [0, 1].
        groups: Classes to hold out together, for the calibration; each class at least once, or
            none at all.

    References:
        Lampert et al., Learning to detect unseen object classes by between-class attribute
        transfer, CVPR 2009, equation 2.
    """
    z, labels, shares = task.decomposition, task.labels, task.rows
    order = np.argsort(-z.values)[:MOST_DIRECTIONS]
    x, targets = z.coordinates[:, order], shares[labels]
    scale = np.sqrt(max(float(np.square(x).sum(axis=1).mean()), 1e-300))
    x = x / scale
    weights = 1 / np.bincount(labels)[labels]
    penalty = PENALTY * task.strength * x.shape[1] ** -0.5
    held_out = np.zeros_like(targets)
    for group in groups:
        out = np.isin(labels, group)
        beta = logistic_attributes(x[~out], targets[~out], weights[~out], penalty)
        held_out[out] = x[out] @ beta[:-1]  # an intercept moves away from what is held out
    beta = logistic_attributes(x, targets, weights, penalty)
    slope, offset = np.ones(targets.shape[1]), np.zeros(targets.shape[1])
    if len(groups):
        slope, offset = platt(held_out + beta[-1], targets, weights)
    prior = logit(np.clip(shares.mean(axis=0), _LEAST, 1 - _LEAST))
    a = targets.shape[1]
    queries = z.basis[:, order] @ (beta[:-1] * slope) / scale
    return Towers(queries, beta[-1] * slope + offset - prior, np.eye(a))
