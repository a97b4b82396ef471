"""What a network of timm puts out: pooled features, and what its own head says."""

from __future__ import annotations

from torch import Tensor, nn


def num_source_classes(network: nn.Module) -> int:
    """Return the number of classes of the network's own head; 0 without one."""
    if not hasattr(network, "forward_head"):  # a network of features only
        return 0
    return int(getattr(network, "num_classes", 0) or 0)


def pooled_output(network: nn.Module, x: Tensor) -> Tensor:
    """Return the (b, d) features that the classifier of a timm network would read."""
    if hasattr(network, "forward_head"):
        output: Tensor = network.forward_head(network.forward_features(x), pre_logits=True)  # type: ignore[operator]
        return output if output.ndim == 2 else output.flatten(2).mean(-1)
    maps: Tensor = network(x)[-1]
    return maps.mean(dim=(2, 3))


def pooled_and_logits(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pooled features and the classifier's output from one pass."""
    maps = network.forward_features(x)  # type: ignore[operator]
    pooled: Tensor = network.forward_head(maps, pre_logits=True)  # type: ignore[operator]
    logits: Tensor = network.forward_head(maps)  # type: ignore[operator]
    return pooled if pooled.ndim == 2 else pooled.flatten(2).mean(-1), logits
