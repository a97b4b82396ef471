"""A kept predictor as one module: decoded items in, calibrated probabilities out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.data.images.preprocessing import (
    Geometry,
    Preprocessing,
    standardise,
    to_channels,
)
from autotransfer.models.backbone import Backbone, load_backbone
from autotransfer.models.calibration import tempered_tensor
from autotransfer.models.metrics import SMALLEST_PROBABILITY
from autotransfer.models.predictors.base import TensorReader
from autotransfer.models.source import Source
from autotransfer.models.stages import captured
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.selection.export.resizing import ResizeAndCrop


class CheckpointGraph(nn.Module):
    """What `Kept.predict` does, as tensor operations.

    Args:
        kept: The predictor.
        source: The source that it reads.
    """

    def __init__(self, kept: Checkpoint, source: Source) -> None:
        super().__init__()
        self.kept = kept
        self.source = source
        self._backbones: dict[str, Backbone] = {}

    @override
    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the (n, K) float32 probabilities of items: of images uint8 (n, h, w, 3)."""
        shares = self.kept.predictor.traced(self.reader(*inputs))  # (n, K), double
        if self.kept.class_weights is not None:
            weights = torch.tensor(self.kept.class_weights, dtype=torch.float64)
            shares = torch.clamp(shares, min=SMALLEST_PROBABILITY) * weights
            shares = shares / shares.sum(dim=1, keepdim=True)
        return tempered_tensor(shares, self.kept.temperature).to(torch.float32)

    def reader(self, *inputs: Tensor) -> TensorReader:
        """Return what the predictor reads of a batch."""
        (images,) = inputs
        return SourceReader(self, self.source, partial(self._of_images, images, {}), {})

    def _of_images(
        self, images: Tensor, resized: dict[Geometry, Tensor], source: Source, stage: int
    ) -> Tensor:
        preprocessing = source.preprocessing
        assert isinstance(preprocessing, Preprocessing)
        geometry = Geometry.of(preprocessing)
        if geometry not in resized:
            resized[geometry] = ResizeAndCrop(geometry)(images)
        pixels = resized[geometry].clone()  # what follows works in place
        ready = to_channels(standardise(pixels, preprocessing), source.num_channels)
        if stage == 0:
            return ready
        backbone = self.backbone(source)
        module = backbone.stages[stage - 1].module
        # `Backbone.activations` stops the pass by an exception, which a tracer does not follow;
        # what runs after the stage is not part of the graph.
        with captured(backbone.network, [module]) as found:
            backbone(ready)
        return found[module]

    def backbone(self, source: Source) -> Backbone:
        """Return the frozen network of a source, loaded once."""
        key = source.fingerprint
        if key not in self._backbones:
            found = load_backbone(source).requires_grad_(requires_grad=False)
            self._backbones[key] = found
            self.add_module(f"source_{len(self._backbones)}", found)
        return self._backbones[key]


class SourceReader:
    """One batch as one source sees it; nothing is computed twice.

    Args:
        graph: What has the networks.
        source: The source.
        read: Returns what the layers of a source after a stage read; of stage 0 its input.
        readers: Those of the batch that there are, by the fingerprint of their source.
    """

    def __init__(
        self,
        graph: CheckpointGraph,
        source: Source,
        read: Callable[[Source, int], Tensor],
        readers: dict[str, SourceReader],
    ) -> None:
        self._graph, self._source, self._read, self._readers = graph, source, read, readers
        self._pooled: Sequence[Tensor] | None = None
        readers.setdefault(source.fingerprint, self)

    def __call__(self, stage: int) -> Tensor:
        """Return the (b, d) pooled features of a stage."""
        if self._pooled is None:
            self._pooled = self._graph.backbone(self._source).features(self.inputs(0)).pooled
        return self._pooled[stage - 1].float()

    def inputs(self, stage: int) -> Tensor:
        """Return what the layers after a stage read; of stage 0 the network's input."""
        return self._read(self._source, stage)

    def of(self, source: Source) -> SourceReader:
        """Return the same batch as a source sees it, which may have a reader already."""
        return self._readers.get(source.fingerprint) or SourceReader(
            self._graph, source, self._read, self._readers
        )
