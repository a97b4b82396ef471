"""Multinomial logistic regression on frozen features."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from autotransfer.models.heads.linear import LinearHead, scale_of, with_absent
from autotransfer.models.linear_algebra import principal_axes

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

DEFAULT_C = 0.1  # with standardised features; the searched range is four decades around it
MAX_ITERATIONS = 300


def fit_logistic(
    features: NDArray[np.floating],
    labels: NDArray[np.int64],
    num_classes: int,
    *,
    regularisation: float = 1.0,
    standardise: bool = True,
) -> LinearHead:
    """Return the L2-regularised multinomial logistic regression.

    Args:
        features: (n, d) frozen features.
        labels: (n,) classes in [0, K); at least two different ones.
        num_classes: K; classes without an image get a probability near zero.
        regularisation: Multiplier of the default penalty, C = 0.1 / regularisation.
        standardise: Whether features are brought to mean 0 and std 1 first.

    Raises:
        ValueError: If fewer than two classes occur.
    """
    scale = scale_of(features, standardise=standardise)
    x = scale.apply(features)
    axes = principal_axes(x)[0] if len(x) < x.shape[1] and x.any() else None
    if axes is not None:  # the penalty does not see a rotation, and no weight leaves this space
        x = x @ axes
    head = full_head(solve_logistic(x, labels, DEFAULT_C / regularisation), num_classes)
    weight = head.weight if axes is None else head.weight @ axes.T
    return scale.fold_into(LinearHead(weight, head.bias))


def solve_logistic(
    x: NDArray[np.float64],
    labels: NDArray[np.int64],
    strength: float,
    weights: NDArray[np.float64] | None = None,
    *,
    again: LogisticRegression | None = None,
) -> LogisticRegression:
    """Return the fitted regression.

    Args:
        x: (n, d).
        labels: (n,).
        strength: C.
        weights: (n,) of the rows; None is one each.
        again: An earlier fit to start from; it is changed.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    solver = again or LogisticRegression(C=strength, max_iter=MAX_ITERATIONS, warm_start=True)
    with warnings.catch_warnings():  # an early stop of the solver is a regulariser, not a fault
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        return solver.fit(x, labels, weights)


def full_head(solver: LogisticRegression, num_classes: int) -> LinearHead:
    """Return the regression with a row for each of K classes."""
    weight, bias = solver.coef_, solver.intercept_
    if len(solver.classes_) == 2:  # scikit-learn keeps one row for two classes
        weight, bias = np.vstack([-weight, weight]) / 2, np.hstack([-bias, bias]) / 2
    return with_absent(LinearHead(weight, bias), solver.classes_, num_classes)
