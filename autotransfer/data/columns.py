"""Columns and single images where several images in a list were meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autotransfer.data.pandas_types import is_pandas

_RGB = 3
_LEAST = 4  # pixels of a side of an image


def values_of(target: Any) -> list[Any] | None:
    """Return what a list, an array or a column holds; None if it is none of these."""
    if isinstance(target, str | bytes | Mapping) or getattr(target, "ndim", 1) != 1:
        return None
    if hasattr(target, "tolist"):
        return list(target.tolist())
    return list(target) if isinstance(target, Sequence) else None


def without_table(images: Any) -> Any:
    """Return the column of a table that has no other, as a list; anything else as it is.

    Args:
        images: What a user gave as images. A table of one column needs no name for it, and an
            array (h, w, 3) is one image.
    """
    if is_pandas(images, "DataFrame") and images.shape[1] == 1:
        return images.iloc[:, 0].tolist()
    if not isinstance(images, np.ndarray):
        return images
    if images.ndim == 2 and images.shape[1] == 1 and images.dtype.kind in "OUT":
        return images[:, 0].tolist()
    if images.ndim == _RGB and images.shape[2] == _RGB and min(images.shape[:2]) >= _LEAST:
        return images[None]
    return images
