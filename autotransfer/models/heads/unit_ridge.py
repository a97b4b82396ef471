"""Ridge regression on features of unit length, with closed-form leave-one-out."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.heads.ridge import HeldOutRidge, fit_ridge_held_out

STANDARD_ERRORS = 2.0  # by which standardised features have to be better to be taken
MOST_KEPT, MOST_NUMBERS = 64, 200_000  # fits, and features and classes of each: 100 MiB in all
_SMALLEST = 1e-12  # of a probability

UnitRidge = tuple[HeldOutRidge, NDArray[np.float64] | None]
_kept: OrderedDict[bytes, UnitRidge] = OrderedDict()
_lock = Lock()


def fit_unit_ridge(
    features: NDArray[np.floating], labels: NDArray[np.int64], num_classes: int
) -> UnitRidge:
    """Return a ridge head on centred features of unit length, and the centre.

    On few labels it is points better than one on standardised features, whose many features of
    little variance are mostly noise; `docs/benchmarks/probes.md` has the figures. Columns of
    different units, as tables have them, do need to be standardised. That is done where the
    leave-one-out log loss is better by it by more than two standard errors. The last fits are
    remembered by what they read: a mean of probes, a mixture and a default probe share them.

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
    if sum(features.shape) * num_classes > MOST_NUMBERS:
        return _fit(features, labels, num_classes)
    key = _digest(features, labels, num_classes)
    with _lock:
        found = _kept.get(key)
    if found is None:
        found = _fit(features, labels, num_classes)
    with _lock:
        _kept[key] = found
        _kept.move_to_end(key)
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
    return found


def _digest(features: NDArray[np.floating], labels: NDArray[np.int64], num_classes: int) -> bytes:
    about = repr((features.shape, features.dtype.str, num_classes)).encode()
    found = hashlib.blake2b(about, digest_size=16)
    for array in (features, labels):
        found.update(np.ascontiguousarray(array).data)
    return found.digest()


def _fit(features: NDArray[np.floating], labels: NDArray[np.int64], num_classes: int) -> UnitRidge:
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
    return -np.log(np.maximum(fit.likely(labels), _SMALLEST))
