"""A gate against partial label sets: source classes that the target lacks count less.

Aligning all source classes to a target that has a few of them pulls target images to classes
that are not there; on Office-31 with 10 of 31 classes that costs DANN more than it gains.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

MEMORY = 0.99  # of the running mean of target predictions, a step
BEGIN = 0.2  # share of all steps before which predictions mean little
ABSENT = 0.1  # of an equal share: a class below it seems to be absent
LEAST_ABSENT = 0.25  # share of the classes that must seem absent before weights are used


class ClassShares(nn.Module):
    """The running shares of K classes among target predictions.

    References:
        Cao et al., Partial Adversarial Domain Adaptation, ECCV 2018, arXiv:1808.04205
        (the weights; the gate before them is ours).
    """

    shares: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.register_buffer("shares", torch.full((num_classes,), 1 / num_classes))

    def note(self, probabilities: Tensor) -> None:
        """Take in a (b, K) batch of target predictions."""
        self.shares.mul_(MEMORY).add_((1 - MEMORY) * probabilities.float().mean(dim=0))

    def weights(self, labels: Tensor, progress: float) -> Tensor | None:
        """Return the (b,) weights of source images; None while no class seems absent."""
        num_classes = len(self.shares)
        absent = int((self.shares < ABSENT / num_classes).sum())
        if progress < BEGIN or absent < max(1, LEAST_ABSENT * num_classes):
            return None
        return (self.shares / self.shares.max())[labels].clamp_min(1e-3)
