"""LoRA: copied weights stay as they are, and a low-rank change of each is learnt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call
from typing_extensions import override

RANK = 8
ALPHA = 16.0  # a change of rank r is scaled by ALPHA / r
_SHARE = 0.5  # of the numbers of a weight; a change that takes more is no saving


class LowRank(nn.Module):
    """A network whose matrices and convolutions W act as W + (alpha / r) B A.

    B starts at zero, so the first step is that of the network as it is, bit for bit. A
    convolution of k x k pixels is taken as the matrix from in x k x k numbers to out. Where A and
    B would hold more than half as many numbers as W, the rank of that weight is lower.

    Args:
        network: Called as it is wherever nothing is changed; its tensors keep their names.
        wanted: Whether a weight, by its name in the network, may change.
        rank: Largest r, at least 1.
        seed: Seeds A; torch's global state is left as it was.

    Attributes:
        changed: Names of the weights that a change is learnt for.

    References:
        Hu et al., LoRA: Low-rank adaptation of large language models, ICLR 2022,
        arXiv:2106.09685, equation 3.
    """

    def __init__(
        self, network: nn.Module, wanted: Callable[[str], bool], *, rank: int = RANK, seed: int = 0
    ) -> None:
        super().__init__()
        if rank < 1:
            raise ValueError(f"rank must be at least 1, got {rank}")
        self.network = network
        self.changed: tuple[str, ...] = ()
        self.down, self.up = nn.ParameterList(), nn.ParameterList()
        generator = torch.Generator().manual_seed(seed)
        for name, weight in network.named_parameters():
            r = min(rank, _largest_rank(weight))
            if not wanted(name) or r < 1:
                continue
            out, into = weight.flatten(1).shape
            down = torch.randn(r, into, generator=generator) / into**0.5
            self.changed += (name,)
            self.down.append(nn.Parameter(down.to(weight)))
            self.up.append(nn.Parameter(weight.new_zeros(out, r)))

    def weight_of(self, name: str) -> str:
        """Return the name in the network of what a parameter of this module is or changes."""
        kind, _, rest = name.partition(".")
        return rest if kind == "network" else self.changed[int(rest)]

    @override
    def forward(self, inputs: Tensor) -> Tensor:
        """Return what the changed network says."""
        found: Tensor = functional_call(self.network, self._changed_weights(), (inputs,))
        return found

    @contextmanager
    def merged(self) -> Iterator[nn.Module]:
        """Give the network with the changes in its weights; at the end they are taken out."""
        weights = {name: self.network.get_parameter(name) for name in self.changed}
        before = {name: weight.detach().clone() for name, weight in weights.items()}
        self.merge()
        try:
            yield self.network
        finally:
            with torch.no_grad():
                for name, weight in weights.items():
                    weight.copy_(before[name])

    def merge(self) -> None:
        """Put the changes into the weights of the network, for good."""
        with torch.no_grad():
            for name, weight in self._changed_weights().items():
                self.network.get_parameter(name).copy_(weight)

    def _changed_weights(self) -> dict[str, Tensor]:
        found = {}
        for name, down, up in zip(self.changed, self.down, self.up, strict=True):
            weight = self.network.get_parameter(name)
            found[name] = weight + ALPHA / len(down) * (up @ down).view_as(weight)
        return found


def _largest_rank(weight: Tensor) -> int:
    """Return the rank at which the change holds half as many numbers as the weight."""
    if weight.ndim < 2:
        return 0
    out, into = weight.flatten(1).shape
    return int(_SHARE * weight.numel() / (out + into))
