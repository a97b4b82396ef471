"""Graphs of items that two inputs hold, values and a mask of where there are any.

Sources that read alike share their inputs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Mapping

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
        return _Reader(self, self.source, {}, dict(zip(self.ways, pairs, strict=True)))


class _Reader(SourceReader):
    """A batch, as each way of reading has it."""

    def __init__(
        self,
        graph: PairGraph,
        source: Source,
        readers: dict[str, SourceReader],
        pairs: Mapping[Hashable, Tensor],
    ) -> None:
        super().__init__(graph, source, readers)
        self._pair_graph, self._pairs = graph, pairs

    @override
    def inputs(self, stage: int) -> Tensor:
        graph, backbone = self._pair_graph, self._graph.backbone(self._source)
        ready = graph.ready(backbone, self._pairs[graph.way_of(self._source)])
        return backbone.activations(ready, stage) if stage else ready

    @override
    def beside(self, source: Source) -> _Reader:
        return _Reader(self._pair_graph, source, self._readers, self._pairs)


def input_names(values: str, mask: str, number: int) -> tuple[str, str]:
    """Return the names of the two inputs of a way of reading.

    Args:
        values: The name of the values.
        mask: The name of the mask.
        number: The place of the way among those of the graph, from 1.
    """
    end = "" if number == 1 else f"_{number}"
    return values + end, mask + end
