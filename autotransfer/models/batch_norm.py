"""Batch-norm statistics for each of two domains in one network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from autotransfer.models.predictors.base import StageInputs

PRIOR_IMAGES = 32  # what the pretrained statistics count as, when a domain has few images

NORMALISING = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
BatchNorm: TypeAlias = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


class DomainStatistics:
    """A second set of running statistics beside the network's own.

    The buffers of the network belong to the target; inside `other()` those of the source stand in
    their place, so that each domain is normalised by, and moves, its own. Weights and biases are
    shared. What is saved of the network is the target's.

    References:
        Chang et al., Domain-Specific Batch Normalization, CVPR 2019, arXiv:1906.03950 (which
        separates the affine parameters as well; few images cannot pay for them).
    """

    def __init__(self, network: nn.Module) -> None:
        self.layers = batch_norms(network)
        self._network = network
        self._away = [_copies(layer) for layer in self.layers]

    @contextmanager
    def other(self) -> Iterator[None]:
        """Put the second set in place, until the end of the block."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def adapt(self, own: StageInputs, others: StageInputs, batch_size: int, most: int) -> None:
        """Move either set towards the images of its domain; see `adapt_statistics_to`."""
        if self.layers:
            adapt_statistics_to(self._network, own, batch_size, most)
            with self.other():
                adapt_statistics_to(self._network, others, batch_size, most)

    def _exchange(self) -> None:
        here = [_of(layer) for layer in self.layers]
        for layer, (mean, var) in zip(self.layers, self._away, strict=True):
            layer.running_mean, layer.running_var = mean, var
        self._away = here


def batch_norms(network: nn.Module) -> list[BatchNorm]:
    """Return the batch-norm layers that keep running statistics."""
    return [
        module
        for module in network.modules()
        if isinstance(module, NORMALISING) and module.running_mean is not None
    ]


def adapt_statistics(
    network: nn.Module, batches: Callable[[], Iterator[Tensor]], num_images: int
) -> None:
    """Move the running statistics towards those of some images, in place.

    One pass measures them; they count by the number of images against `PRIOR_IMAGES` for
    the statistics that are there, so that a handful of images changes little.

    Args:
        network: Left in eval mode; weights stay as they are.
        batches: Yields the inputs of the network, each time anew.
        num_images: How many images that are in all.

    References:
        Schneider et al., Improving robustness against common corruptions by covariate shift
        adaptation, NeurIPS 2020, arXiv:2006.16971.
    """
    layers = batch_norms(network)
    before = [_copies(layer) for layer in layers]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over batches
    _measure(network, layers, batches)
    share = num_images / (num_images + PRIOR_IMAGES)
    for layer, old, momentum in zip(layers, before, momenta, strict=True):
        for value, prior in zip(_of(layer), old, strict=True):
            value.copy_(share * value + (1 - share) * prior)
        layer.momentum = momentum


def adapt_statistics_to(
    network: nn.Module, inputs: StageInputs, batch_size: int, most: int
) -> None:
    """Move the running statistics towards those of images from all over a set, in place.

    Images often come sorted by class. The statistics of a batch of one class are not those of
    the domain: their variance lacks what lies between classes.

    Args:
        network: As for `adapt_statistics`.
        inputs: Of the network.
        batch_size: Images of a batch, about.
        most: Images that are read.
    """
    n = min(len(inputs), most)
    shown = np.linspace(0, len(inputs) - 1, n).astype(np.int64)
    count, device = math.ceil(n / max(batch_size, 2)), next(network.parameters()).device
    pieces = [shown[start::count] for start in range(count)]
    adapt_statistics(network, lambda: (inputs.batch(piece).to(device) for piece in pieces), n)


def _measure(
    network: nn.Module, layers: Sequence[BatchNorm], batches: Callable[[], Iterator[Tensor]]
) -> None:
    """Run the images through with batch statistics; everything else is in eval mode."""
    network.eval()
    for layer in layers:
        layer.train()
    with torch.no_grad():
        for inputs in batches():
            network(inputs)
    network.eval()


def _copies(layer: BatchNorm) -> tuple[Tensor, Tensor]:
    mean, var = _of(layer)
    return mean.clone(), var.clone()


def _of(layer: BatchNorm) -> tuple[Tensor, Tensor]:
    mean, var = layer.running_mean, layer.running_var
    assert mean is not None
    assert var is not None
    return mean, var
