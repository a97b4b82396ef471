"""CORAL: the distance of the second-order statistics."""

from __future__ import annotations

import numpy as np

from autotransfer.models.linear_algebra import Array
from autotransfer.transferability.distances.samples import Samples


def coral(samples: Samples) -> float:
    """Return |C1 - C2|_F^2 / (4 d^2) of the unbiased covariances; in feature units ^ 4.

    References:
        Sun and Saenko, Deep CORAL, ECCV 2016 workshops, arXiv:1607.01719, equation 1.
    """
    samples.require("coral", 2)
    left, right = _scaled(samples.left), _scaled(samples.right)
    # |A'A - B'B|^2 through products of the smaller sides
    square = _product(left, left) + _product(right, right) - 2 * _product(left, right)
    if square < 1e-6 * _product(left, left):  # the three terms nearly cancel
        square = float(np.square(left.T @ left - right.T @ right).sum())
    return max(square, 0.0) / (4 * samples.num_features**2)


def _scaled(sample: Array) -> Array:
    scaled: Array = (sample - sample.mean(axis=0)) / np.sqrt(len(sample) - 1)
    return scaled


def _product(first: Array, second: Array) -> float:
    """Return <A'A, B'B> = |A B'|_F^2, or through the covariances where they are smaller."""
    if len(first) * len(second) <= first.shape[1] ** 2:
        return float(np.square(first @ second.T).sum())
    return float(np.sum((first.T @ first) * (second.T @ second)))
