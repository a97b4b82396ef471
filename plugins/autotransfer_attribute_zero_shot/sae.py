"""Semantic autoencoder: features to attributes and back by the same matrix."""

from __future__ import annotations

import numpy as np

from autotransfer.plugin import linear_algebra
from autotransfer_attribute_zero_shot.head_task import TO_ATTRIBUTES, TO_FEATURES, HeadTask
from autotransfer_attribute_zero_shot.predictor import Towers
from autotransfer_attribute_zero_shot.scaling import Array

DIRECTIONS = (TO_FEATURES, TO_ATTRIBUTES)


def semantic_autoencoder(
    z: linear_algebra.Decomposition, semantics: Array, penalty: float
) -> Array:
    """Return W, (a, d), the solution of S S' W + penalty W Z Z' = (1 + penalty) S Z'.

    In the eigenvectors of S S' and Z Z' the Sylvester equation falls apart into numbers. Written
    for columns as images, as in the paper: Z is (d, n) and S (a, n).

    Args:
        z: Decomposition of the (n, d) features.
        semantics: (n, a) attribute row of each image.
        penalty: Weight of the way from features to attributes.

    References:
        Kodirov et al., Semantic autoencoder for zero-shot learning, CVPR 2017, equation 9.
    """
    values, vectors = np.linalg.eigh(semantics.T @ semantics)  # (a,), (a, a)
    right = (1 + penalty) * vectors.T @ (semantics.T @ z.coordinates)  # (a, r)
    sums = np.maximum(values, 0.0)[:, None] + penalty * z.values
    found: Array = vectors @ (right / sums) @ z.basis.T
    return found


def fit_sae(task: HeadTask) -> Towers:
    """Return the towers of a semantic autoencoder.

    Args:
        task: Its strength is the penalty, in units in which both terms of the equation weigh the
            same. The direction "to features" decodes a row and compares it with the features;
            "to attributes" encodes the features and compares them with the row. Both by the
            cosine.
    """
    z, semantics = task.decomposition, task.rows[task.labels]
    unit = float(np.square(semantics).sum() / max(z.values.sum(), 1e-300))
    weight = semantic_autoencoder(z, semantics, task.strength * unit)
    a, d = weight.shape
    if task.direction == TO_FEATURES:
        return Towers(np.eye(d), np.zeros(d), weight, unit_keys=True, unit_queries=True)
    return Towers(weight.T, np.zeros(a), np.eye(a), unit_queries=True)
