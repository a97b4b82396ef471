"""Co-Tuning: the source's head is tuned too, towards what it says of each target class."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def class_relationship(
    probabilities: NDArray[np.floating], labels: NDArray[np.int64], num_classes: int
) -> NDArray[np.float32]:
    """Return (K, Z) p(source class | target class), by the direct approach of the paper.

    Args:
        probabilities: (n, Z) of the source's head on the training pictures.
        labels: (n,) target classes in [0, K).
        num_classes: K; a class without a picture gets the mean of all.
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
    loss: Tensor = -(relationship[targets] * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
    return loss
