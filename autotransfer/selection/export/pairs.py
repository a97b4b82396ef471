"""Graphs of items that two inputs hold, values and a mask of where there are any.

Sources that read alike share their inputs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Mapping
from functools import partial

import torch
from torch import Tensor
from typing_extensions import override

from autotransfer.models.backbone import Backbone
from autotransfer.models.predictors.base import TensorReader
from autotransfer.models.source import Source
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.selection.export.graph import CheckpointGraph, SourceReader


class PairGraph(CheckpointGraph):
    """What `Kept.predict` does, from two inputs for each way of reading.

    Args:
        kept: The predictor.
        source: The source that it reads.
    """

    def __init__(self, kept: Checkpoint, source: Source) -> None:
        super().__init__(kept, source)
        self.sources = (source, *kept.predictor.companions)

    @property
    @abstractmethod
    def ways(self) -> Iterable[Hashable]:
        """Return the ways of reading, in the order of their inputs."""

    @abstractmethod
    def way_of(self, source: Source) -> Hashable:
        """Return how a source reads."""

    def ready(self, backbone: Backbone, pair: Tensor) -> Tensor:  # noqa: ARG002
        """Return (b, 2, t) values and mask as a network takes them."""
        return pair

    @override
    def reader(self, *inputs: Tensor) -> TensorReader:
        pairs = [torch.stack(inputs[i : i + 2], dim=1) for i in range(0, len(inputs), 2)]
        read = partial(self._of_pairs, dict(zip(self.ways, pairs, strict=True)))
        return SourceReader(self, self.source, read, {})

    def _of_pairs(self, pairs: Mapping[Hashable, Tensor], source: Source, stage: int) -> Tensor:
        backbone = self.backbone(source)
        ready = self.ready(backbone, pairs[self.way_of(source)])
        return backbone.activations(ready, stage) if stage else ready


def input_names(values: str, mask: str, number: int) -> tuple[str, str]:
    """Return the names of the two inputs of a way of reading.

    Args:
        values: The name of the values.
        mask: The name of the mask.
        number: The place of the way among those of the graph, from 1.
    """
    end = "" if number == 1 else f"_{number}"
    return values + end, mask + end
