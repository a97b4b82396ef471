"""Frechet distance between Gaussians fitted to the two samples."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from autotransfer.models.linear_algebra import Array
from autotransfer.transferability.distances.samples import Samples


def frechet(samples: Samples) -> float:
    """Return |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^1/2, in feature units ^ 2.

    The last trace is the nuclear norm of A1 A2' with S = A'A: no matrix root, which loses its
    digits where a covariance is rank-deficient. Biased upwards by about d / n: compare equal n.

    References:
        Dowson and Landau, The Frechet distance between multivariate normal distributions,
        Journal of Multivariate Analysis 1982; Heusel et al., NIPS 2017, arXiv:1706.08500.
    """
    samples.require("frechet", 2)
    left, right = _root(samples.left), _root(samples.right)
    shift = samples.left.mean(axis=0) - samples.right.mean(axis=0)
    spread = float(np.square(left).sum() + np.square(right).sum())
    overlap = float(linalg.svdvals(left @ right.T, check_finite=False).sum())
    return max(float(shift @ shift) + spread - 2 * overlap, 0.0)


def _root(sample: Array) -> Array:
    """Return A with at most d rows and A'A the unbiased covariance."""
    centred = (sample - sample.mean(axis=0)) / np.sqrt(len(sample) - 1)
    root: Array = centred
    if len(centred) > centred.shape[1]:
        root = linalg.qr(centred, mode="r", check_finite=False)[0][: centred.shape[1]]
    return root
