"""Co-Tuning: the source's head is tuned too, towards what it says of each target class."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor

_TEMPERATURES = (0.5, 0.71, 1.0, 1.41, 2.0, 2.83, 4.0)
_PRIOR = 0.1  # images of each target class that every source class is thought to have seen


def calibrated(
    probabilities: NDArray[np.floating], labels: NDArray[np.int64], num_classes: int
) -> NDArray[np.float64]:
    """Return (n, Z) probabilities at the temperature that tells the target classes best.

    The paper calibrates the source's head on images of the source, which are rarely at hand.
    Here the temperature is the one at which the target class of each image is most likely,
    given its source classes and how these go with the target classes of all other images.

    Args:
        probabilities: (n, Z) of the source's head on the training images.
        labels: (n,) target classes in [0, K).
        num_classes: K.

    References:
        Guo et al., On Calibration of Modern Neural Networks, ICML 2017, arXiv:1706.04599.
    """
    logs = np.log(np.clip(probabilities.astype(np.float64), 1e-12, None))
    found = [softmax(logs / temperature, axis=1) for temperature in _TEMPERATURES]
    losses = [_left_out_loss(p, labels, num_classes) for p in found]
    return found[int(np.argmin(losses))]


def _left_out_loss(p: NDArray[np.float64], labels: NDArray[np.int64], num_classes: int) -> float:
    """Return the mean of -log p(label | source classes), the image itself left out."""
    joint = np.eye(num_classes)[labels].T @ p  # (K, Z)
    ours = joint[labels] - p + _PRIOR / num_classes  # (n, Z)
    all_classes = joint.sum(axis=0) - p + _PRIOR
    likelihood = (p * ours / all_classes).sum(axis=1)
    return float(-np.log(likelihood).mean())


def class_relationship(
    probabilities: NDArray[np.floating], labels: NDArray[np.int64], num_classes: int
) -> NDArray[np.float32]:
    """Return (K, Z) p(source class | target class), by the direct approach of the paper.

    Args:
        probabilities: (n, Z) of the source's head on the training images, calibrated.
        labels: (n,) target classes in [0, K).
        num_classes: K; a class without an image gets the mean of all.
    """
    overall = probabilities.mean(axis=0)
    rows = [
        probabilities[labels == c].mean(axis=0) if (labels == c).any() else overall
        for c in range(num_classes)
    ]
    return np.stack(rows).astype(np.float32)


def co_tuning_loss(logits: Tensor, relationship: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy of the source's head to the source classes of each label.

    Args:
        logits: (b, Z) of the source's head on the features as they are now.
        relationship: (K, Z) from `class_relationship`.
        targets: (b,) target classes.

    References:
        You et al., Co-Tuning for Transfer Learning, NeurIPS 2020.
    """
    return -(relationship[targets] * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
