"""Feature-map distillation: the tuned stages put out nearly what the source's stages do."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from autotransfer.plugin import networks

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
        with networks.captured(self._network, self._names) as self._now:
            yield self

    def distance(self, inputs: Tensor) -> Tensor:
        """Return the mean distance of the maps of the last forward pass, a scalar.

        Args:
            inputs: What that pass read; the source's copy reads the same.
        """
        with torch.no_grad(), networks.captured(self._source, self._names) as found:
            self._source(inputs)
        distances = [
            (self._now[name] - found[name]).square().mean()
            / found[name].square().mean().clamp_min(_SMALLEST)
            for name in self._names
        ]
        return torch.stack(distances).mean()
