"""Ridge regression on the features of several sources side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from autotransfer.models.heads.linear import LinearHead, with_absent
from autotransfer.models.heads.ridge import (
    GramDecomposition,
    HeldOutFit,
    choose_penalty,
    targets_of,
)


@dataclass(frozen=True)
class JointRidge(HeldOutFit):
    """A head for each block, the sum of whose logits is the answer, and its leave-one-out."""

    heads: tuple[LinearHead, ...]


def fit_joint_ridge(
    blocks: Sequence[NDArray[np.float64]], labels: NDArray[np.int64], num_classes: int
) -> JointRidge:
    """Return a ridge on several blocks of features side by side, which are never put together.

    All blocks share one penalty, so that one of greater rows counts for more. The fit goes through
    the sum of their Gram matrices: one decomposition of n rows.

    Args:
        blocks: (n, d_s) features each.
        labels: (n,) classes in [0, K).
        num_classes: K.
    """
    present, places = np.unique(labels, return_inverse=True)
    targets = targets_of(places, len(present))
    testable = np.bincount(places)[places] > 1
    gram = np.zeros((len(labels), len(labels)))
    for block in blocks:
        centred = block - block.mean(axis=0)
        gram += centred @ centred.T
    parts = GramDecomposition.of_gram(gram, most=sum(block.shape[1] for block in blocks))
    penalty, steepness, scores = choose_penalty(parts, targets, places, testable, 1.0)
    mean = targets.mean(axis=0)
    dual = steepness * parts.solve(targets - mean, penalty)
    heads = []
    for number, block in enumerate(blocks):
        centre = block.mean(axis=0)
        weight = ((block - centre).T @ dual).T  # (K, d_s)
        bias = (steepness * mean if number == 0 else 0.0) - weight @ centre
        heads.append(with_absent(LinearHead(weight, bias), present, num_classes))
    held_out = np.zeros((len(labels), num_classes))
    held_out[:, present] = softmax(steepness * scores, axis=1)
    return JointRidge(tuple(heads), held_out=held_out, testable=testable)
