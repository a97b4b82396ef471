"""One network for two tasks."""

from __future__ import annotations

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
        width = headed.head.in_features
        beside = networks.HeadedSuffix(nn.Identity(), width, len(source_head.bias))
        beside.set_head(source_head)
        self.source_head = beside.head

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
