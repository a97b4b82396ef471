"""Ridge regression on features of unit length, with closed-form leave-one-out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.heads.ridge import HeldOutRidge, fit_ridge_held_out

STANDARD_ERRORS = 2.0  # by which standardised features have to be better to be taken
_SMALLEST = 1e-12  # of a probability


def fit_unit_ridge(
    features: NDArray[np.floating], labels: NDArray[np.int64], num_classes: int
) -> tuple[HeldOutRidge, NDArray[np.float64] | None]:
    """Return a ridge head on centred features of unit length, and the centre.

    On few labels it is points better than one on standardised features, whose many features of
    little variance are mostly noise; `docs/benchmarks.md` has the figures. Columns of different
    units, as tables have them, do need to be standardised. That is done where the leave-one-out
    log loss is better by it by more than two standard errors.

    Args:
        features: (n, d).
        labels: (n,) classes in [0, K).
        num_classes: K.

    Returns:
        The head, which reads `unit_rows(features - centre)`, and the (d,) centre; or a head that
        reads features as they are, and None.

    References:
        CL2N: Wang et al., SimpleShot, arXiv:1911.04623, section 3.
    """
    centre = features.mean(axis=0, dtype=np.float64)
    unit = fit_ridge_held_out(unit_rows(features - centre), labels, num_classes, standardise=False)
    plain = fit_ridge_held_out(features, labels, num_classes)
    gains = _losses(unit, labels) - _losses(plain, labels)
    if len(gains) > 1:
        error = gains.std(ddof=1) / np.sqrt(len(gains))
        if gains.mean() > STANDARD_ERRORS * error:
            return plain, None
    return unit, centre


def _losses(fit: HeldOutRidge, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    losses: NDArray[np.float64] = -np.log(np.maximum(fit.likely(labels), _SMALLEST))
    return losses
