"""The rows that are weighted: source images with the target's classes, and few coordinates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autotransfer.plugin import ImageSet, errors, linear_algebra

_ROWS_FOR_AXES = 1000  # more would only make the decomposition slower
_NAMED = 12


def matched_labels(images: ImageSet, class_names: Sequence[str]) -> NDArray[np.int64]:
    """Return the (n,) classes of source images as positions in the target's names.

    Raises:
        InvalidOptionError: If the two do not have the same classes.
    """
    ours, theirs = set(class_names), set(images.class_names)
    if ours != theirs:
        raise errors.InvalidOptionError(
            "instance weighting needs source images of the same classes; the target has "
            f"{_listed(class_names)}, the source images have {_listed(images.class_names)} "
            f"(only in the target: {_listed(sorted(ours - theirs))}; only in the source: "
            f"{_listed(sorted(theirs - ours))}). Rename or leave out classes of the source "
            "images, or use --strategy multi-task, which takes any classes"
        )
    place = {name: number for number, name in enumerate(class_names)}
    table = np.array([place[name] for name in images.class_names], dtype=np.int64)
    return table[images.labels]


def some_of_each(labels: NDArray[np.int64], most: int, *, seed: int) -> NDArray[np.int64]:
    """Return ascending positions of at most so many rows; classes keep their shares."""
    if len(labels) <= most:
        return np.arange(len(labels), dtype=np.int64)
    order = np.random.default_rng(seed).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    taken = np.linspace(0, len(labels) - 1, most).astype(np.int64)
    return np.sort(by_class[taken])


def principal_axes(x: NDArray[np.floating], width: int, *, seed: int) -> NDArray[np.float64]:
    """Return (d, r) leading axes of (n, d) centred rows, r <= width; no row is lost in them.

    Where there are many rows the axes are those of a thousand of them.
    """
    if len(x) > _ROWS_FOR_AXES:
        drawn = np.random.default_rng(seed).choice(len(x), _ROWS_FOR_AXES, replace=False)
        x = x[np.sort(drawn)]
    axes, _ = linear_algebra.principal_axes(x.astype(np.float64), width)
    return axes if axes.size else np.eye(x.shape[1], 1)  # all rows are the same


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
