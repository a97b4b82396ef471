"""One network for two tasks, and the draws of the second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.plugin import heads, networks


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
        self._generator = np.random.default_rng(self.seed)
        self._left = np.empty(0, dtype=np.int64)

    def draw(self, size: int) -> tuple[Tensor, Tensor]:
        """Return the inputs and the labels of the next images."""
        while len(self._left) < size:
            again = self._generator.permutation(len(self.labels))
            self._left = np.concatenate([self._left, again])
        positions, self._left = self._left[:size], self._left[size:]
        return self.inputs.batch(positions), torch.from_numpy(self.labels[positions])
