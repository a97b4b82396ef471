"""Feature-map distillation: the tuned stages put out nearly what the source's stages do."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_SMALLEST = 1e-6


class FeatureMaps:
    """The outputs of some modules of a network beside those of a frozen copy of it.

    DELTA with equal weights for all channels: the published weights come from a search over
    channels that costs more than the tuning here. Each module's distance is in units of the
    source's own mean square, so that stages of another scale count alike.

    Args:
        network: The network before training; it is copied.
        names: Modules whose outputs are compared; "" is the network itself.

    References:
        Li et al., DELTA: Deep Learning Transfer using Feature Map with Attention, ICLR 2019,
        arXiv:1901.09229.
    """

    def __init__(self, network: nn.Module, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._network = network
        self._source = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self._now: dict[str, Tensor] = {}

    @contextmanager
    def watched(self) -> Iterator[FeatureMaps]:
        """Keep the outputs of the network's modules as it runs."""
        handles = [
            self._network.get_submodule(name).register_forward_hook(_keep(self._now, name))
            for name in self._names
        ]
        try:
            yield self
        finally:
            for handle in handles:
                handle.remove()

    def distance(self, inputs: Tensor) -> Tensor:
        """Return the mean distance of the maps of the last forward pass, a scalar.

        Args:
            inputs: What that pass read; the source's copy reads the same.
        """
        found: dict[str, Tensor] = {}
        handles = [
            self._source.get_submodule(name).register_forward_hook(_keep(found, name))
            for name in self._names
        ]
        with torch.no_grad():
            self._source(inputs)
        for handle in handles:
            handle.remove()
        distances = [
            (self._now[name] - found[name]).square().mean()
            / found[name].square().mean().clamp_min(_SMALLEST)
            for name in self._names
        ]
        return torch.stack(distances).mean()


def _keep(into: dict[str, Tensor], name: str) -> Callable[..., None]:
    def hook(_module: nn.Module, _arguments: Any, output: Tensor) -> None:
        into[name] = output

    return hook
