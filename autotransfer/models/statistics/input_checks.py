"""What is accepted as features, labels and source probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autotransfer.data.untrusted_files import refused_as
from autotransfer.errors import InvalidTargetError
from autotransfer.models.linear_algebra import Rows

LARGEST = 1e70  # of a feature: fourth powers are summed in double precision
_SUM_TOLERANCE = 1e-2  # half-precision probabilities sum to one only so far


def as_array(values: Any, what: str) -> NDArray[Any]:
    """Return anything like an array as one; tensors leave their device and their graph.

    Args:
        values: An array, a tensor, nested lists.
        what: How to call it in a message.

    Raises:
        InvalidTargetError: If it is nothing of the kind.
    """
    with refused_as(InvalidTargetError, f"{what} cannot be read as an array"):
        if hasattr(values, "detach"):  # a tensor; torch is not imported for arrays
            values = values.detach().cpu()
            values = values.float() if values.dtype.itemsize == 2 else values  # bfloat16
        array: NDArray[Any] = np.asarray(values)
    return array


def checked_rows(features: ArrayLike) -> Rows:
    """Return a read-only (n, d) view in float32 or float64.

    Raises:
        InvalidTargetError: If it is no matrix of real numbers, empty, or too large to square.
    """
    rows = as_array(features, "features")
    if rows.ndim != 2:
        raise InvalidTargetError(
            f"features must be a matrix (images, features), got shape {rows.shape}"
        )
    if 0 in rows.shape:
        raise InvalidTargetError(
            f"features are empty: shape {rows.shape}; at least one image and one feature"
        )
    if rows.dtype.kind not in "fiub":
        raise InvalidTargetError(f"features must be real numbers, got {rows.dtype}")
    if rows.dtype == np.float16:
        rows = rows.astype(np.float32)
    elif rows.dtype not in (np.float32, np.float64):
        rows = rows.astype(np.float64)
    if rows.dtype == np.float64 and LARGEST < max(rows.max(), -rows.min()) < np.inf:
        raise InvalidTargetError(
            f"features are too large: their squares overflow beyond {LARGEST:g}; scale them down"
        )
    view = rows.view()
    view.flags.writeable = False
    return view


def checked_labels(labels: ArrayLike, n: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the (K,) classes and the (n,) labels in [0, K).

    Raises:
        InvalidTargetError: If there is not one class for each image.
    """
    values = as_array(labels, "labels")
    if values.shape != (n,):
        raise InvalidTargetError(
            f"labels must be one for each of the {n} images, got shape {values.shape}"
        )
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values % 1 == 0)).all():
        raise InvalidTargetError("labels must be classes; some are fractions, infinite or NaN")
    with refused_as(InvalidTargetError, "labels must be numbers or names, not both"):
        classes, compressed = np.unique(values, return_inverse=True)
    return classes, compressed.astype(np.int64)


def checked_probabilities(
    probabilities: ArrayLike | None, rows: Rows
) -> NDArray[np.floating] | None:
    """Return the (n, Z) probabilities as an array, or None.

    Raises:
        InvalidTargetError: If the rows are not probabilities, one row for each image.
    """
    if probabilities is None:
        return None
    values: NDArray[np.floating] = as_array(probabilities, "source probabilities")
    matrix = values.ndim == 2 and values.dtype.kind in "fiub"
    if not matrix or len(values) != len(rows) or values.shape[1] == 0:
        raise InvalidTargetError(
            f"source probabilities must be a matrix ({len(rows)}, source classes), "
            f"got shape {values.shape} of {values.dtype}"
        )
    sums = values.sum(axis=1, dtype=np.float64)
    if not (values.min() >= 0 and np.abs(sums - 1).max() <= _SUM_TOLERANCE):
        raise InvalidTargetError(
            "source probabilities must be non-negative and sum to one in each row; give the "
            "softmax of the head's outputs, not the outputs"
        )
    return values


def not_finite(rows: Rows) -> str:
    """Return the sentence that says where the features are infinite or NaN."""
    bad = ~np.isfinite(rows)
    if not bad.any():
        return "features are too large: their sum overflows; scale them down"
    row, column = (int(position[0]) for position in np.nonzero(bad))
    return (
        f"{int(bad.any(axis=1).sum())} of {len(rows)} images have infinite or NaN features, the "
        f"first at image {row}, feature {column}; check the source and its preprocessing"
    )
