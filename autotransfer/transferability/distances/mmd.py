"""Maximum mean discrepancy with Gaussian kernels, and its permutation test."""

from __future__ import annotations

import numpy as np

from autotransfer.errors import UndefinedScoreError
from autotransfer.models.linear_algebra import Array
from autotransfer.transferability.distances.samples import SEED, Samples

BANDWIDTHS = (0.5, 1.0, 2.0)  # multiples of the mean squared distance, multi-kernel form
PERMUTATIONS = 200


def mmd(samples: Samples) -> float:
    """Return the unbiased squared MMD; near 0, or below, where the domains agree.

    One kernel exp(-d^2 / (2 s^2)) with s^2 the median of the squared distances between
    different images of both sets together, at most 2000 a side.

    References:
        Gretton et al., A Kernel Two-Sample Test, JMLR 13, 2012, equation 3.
    """
    samples.require("mmd", 2)
    return _unbiased(_median_kernel(samples), len(samples.pairwise[0]))


def multi_kernel_mmd(samples: Samples) -> float:
    """Return the squared MMD summed over three kernels, on equally many images of each set.

    s^2 is 0.5, 1 and 2 times the mean squared distance, each image's zero distance to itself
    included; the cross term is that of the paired estimate, 2 / (n - 1) larger than unbiased.

    References:
        Long et al., Learning Transferable Features with Deep Adaptation Networks, ICML 2015,
        arXiv:1502.02791.
    """
    samples.require("mk-mmd", 2)
    left, right = samples.pairwise
    n = min(len(left), len(right))
    kept = np.concatenate([np.arange(n), len(left) + np.arange(n)])
    squares = samples.squared_distances[np.ix_(kept, kept)]
    kernel = np.zeros_like(squares)
    for bandwidth in BANDWIDTHS:
        kernel += np.exp(-squares / (2 * bandwidth * _positive(float(squares.mean()))))
    within = _off_diagonal(kernel[:n, :n]) + _off_diagonal(kernel[n:, n:])
    across = float(kernel[:n, n:].sum()) * 2 / n**2
    return within / (n * (n - 1)) - across + 2 / (n - 1)


def mmd_p_value(samples: Samples, permutations: int = PERMUTATIONS, seed: int = SEED) -> float:
    """Return the share of random splits with an MMD at least as large, in (0, 1].

    Small means that the two sets differ; the observed split counts as one of the splits, so
    that the test keeps its level (Phipson and Smyth 2010).
    """
    samples.require("mmd", 2)
    kernel, n = _median_kernel(samples), len(samples.pairwise[0])
    observed = _unbiased(kernel, n)
    generator = np.random.default_rng(seed)
    diagonal = np.diagonal(kernel)
    larger = 0
    for _ in range(permutations):
        side = np.zeros(len(kernel))
        side[generator.permutation(len(kernel))[:n]] = 1.0
        larger += _split_mmd(kernel @ side, (side, diagonal, kernel)) >= observed - 1e-12
    return (1 + larger) / (1 + permutations)


def _split_mmd(product: Array, parts: tuple[Array, Array, Array]) -> float:
    """Return the unbiased MMD of the split `side`, from the kernel times `side`."""
    side, diagonal, kernel = parts
    n, total = int(side.sum()), float(kernel.sum())
    m = len(side) - n
    left = float(side @ product)
    cross = float(product.sum()) - left
    right = total - left - 2 * cross
    own = float(side @ diagonal)
    unbiased_left = (left - own) / (n * (n - 1))
    unbiased_right = (right - (float(diagonal.sum()) - own)) / (m * (m - 1))
    return unbiased_left + unbiased_right - 2 * cross / (n * m)


def _median_kernel(samples: Samples) -> Array:
    squares = samples.squared_distances
    median = np.median(squares[np.triu_indices(len(squares), 1)])
    return np.exp(-squares / (2 * _positive(float(median))))


def _positive(square: float) -> float:
    if square <= 0:
        raise UndefinedScoreError("mmd is undefined: most images have the very same features")
    return square


def _unbiased(kernel: Array, n: int) -> float:
    m = len(kernel) - n
    left = _off_diagonal(kernel[:n, :n]) / (n * (n - 1))
    right = _off_diagonal(kernel[n:, n:]) / (m * (m - 1))
    return left + right - 2 * float(kernel[:n, n:].mean())


def _off_diagonal(matrix: Array) -> float:
    return float(matrix.sum() - np.trace(matrix))
