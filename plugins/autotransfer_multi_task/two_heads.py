"""One network for two tasks, and the draws of the second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.plugin import heads, networks, training


class TwoHeads(nn.Module):
    """The layers after a stage under two classifiers.

    Args:
        headed: The shared layers with the target's head, which is what is kept.
        source_head: What the source's head starts from, (Z, d).
    """

    def __init__(self, headed: networks.HeadedSuffix, source_head: heads.LinearHead) -> None:
        super().__init__()
        self.headed = headed
        with torch.random.fork_rng(devices=[]):  # the initialisation below is overwritten
            self.source_head = nn.Linear(headed.head.in_features, len(source_head.bias))
        with torch.no_grad():
            self.source_head.weight.copy_(torch.from_numpy(source_head.weight))
            self.source_head.bias.copy_(torch.from_numpy(source_head.bias))

    @override
    def forward(self, z: Tensor) -> Tensor:
        """Return the (b, K) target logits."""
        logits: Tensor = self.headed(z)
        return logits

    def source_logits(self, z: Tensor) -> Tensor:
        """Return the (b, Z) source logits."""
        logits: Tensor = self.source_head(self.headed.features(z))
        return logits

    def heads(self) -> list[nn.Parameter]:
        """Return the parameters of both heads."""
        return [*self.headed.head.parameters(), *self.source_head.parameters()]


@dataclass
class Draws:
    """Source images in batches of any size, each once before any comes again."""

    inputs: networks.StageInputs
    labels: NDArray[np.int64]
    seed: int

    def __post_init__(self) -> None:
        self._cycle = training.Cycle(len(self.labels), self.seed)

    def draw(self, size: int) -> tuple[Tensor, Tensor]:
        """Return the inputs and the labels of the next images."""
        positions = self._cycle.next(size)
        return self.inputs.batch(positions), torch.from_numpy(self.labels[positions])
