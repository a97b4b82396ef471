"""A kept predictor of sounds as one graph: samples and their mask in.

How samples are read of a file is no part of it, but in its metadata: at which rate, and how long.
Sources that read alike share their inputs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.sounds.preprocessing import SoundPreprocessing
from autotransfer.data.sounds.reading import GivenSounds
from autotransfer.models.predictors.base import TensorReader
from autotransfer.models.sounds.backbone import SoundBackbone, read_waves
from autotransfer.models.source import Source
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.selection.export.graph import CheckpointGraph, SourceReader

WAVES, MASK = "waves", "mask"
_RATE = 16_000
_SECONDS = ((0.3, 0.45, 0.2), (0.06,), (3.1, 1.2))  # of the sounds of each batch


@dataclass(frozen=True)
class ReadingRule:
    """How the samples of two inputs are read.

    Args:
        preprocessing: At which rate, and how long.
        number: Its place among those of the graph, from 1.
    """

    preprocessing: SoundPreprocessing
    number: int

    @property
    def inputs(self) -> tuple[str, str]:
        """Return the names of its two inputs of the graph."""
        end = "" if self.number == 1 else f"_{self.number}"
        return WAVES + end, MASK + end


class SoundGraph(CheckpointGraph):
    """What `Kept.predict` does with sounds, from samples and masks.

    Args:
        kept: The predictor.
        source: The source that it reads.
    """

    def __init__(self, kept: Checkpoint, source: Source) -> None:
        super().__init__(kept, source)
        sources = [source, *kept.predictor.companions]
        wanted = dict.fromkeys(one.preprocessing for one in sources)
        self.rules = tuple(ReadingRule(one, i) for i, one in enumerate(wanted, start=1))

    @override
    def reader(self, *inputs: Tensor) -> TensorReader:
        pairs = [torch.stack(inputs[i : i + 2], dim=1) for i in range(0, len(inputs), 2)]
        wanted = [rule.preprocessing for rule in self.rules]
        return _Reader(self, self.source, {}, dict(zip(wanted, pairs, strict=True)))


class _Reader(SourceReader):
    """A batch of sounds, as the samples of each rate."""

    def __init__(
        self,
        graph: CheckpointGraph,
        source: Source,
        readers: dict[str, SourceReader],
        waves: dict[SoundPreprocessing, Tensor],
    ) -> None:
        super().__init__(graph, source, readers)
        self._waves = waves

    @override
    def inputs(self, stage: int) -> Tensor:
        backbone = self._graph.backbone(self._source)
        assert isinstance(backbone, SoundBackbone)
        ready = backbone.ready(self._waves[self._source.preprocessing])
        return backbone.activations(ready, stage) if stage else ready

    @override
    def beside(self, source: Source) -> _Reader:
        return _Reader(self._graph, source, self._readers, self._waves)


def fed(rules: Sequence[ReadingRule], sounds: ImageSet) -> dict[str, NDArray[np.float32]]:
    """Return the inputs of a graph for sounds, by their names.

    Args:
        rules: Of the graph.
        sounds: n of them.
    """
    found: dict[str, NDArray[np.float32]] = {}
    for rule in rules:
        x = read_waves(sounds, rule.preprocessing).numpy()
        found |= dict(zip(rule.inputs, np.ascontiguousarray(x.swapaxes(0, 1)), strict=True))
    return found


def sample_sounds() -> list[ImageSet]:
    """Return batches of sounds of several lengths: tones that glide, in noise."""
    rng, batches = np.random.default_rng(0), []
    for lengths in _SECONDS:
        given = []
        for seconds in lengths:
            t = np.arange(round(seconds * _RATE)) / _RATE
            tone = np.sin(2 * np.pi * (rng.uniform(100, 900) + 300 * t) * t)
            wave = rng.uniform(0.05, 0.5) * tone + rng.normal(0, 0.02, len(t))
            given.append((wave.astype(np.float32), _RATE))
        batches.append(ImageSet(GivenSounds(given), np.arange(len(given))))
    return batches


def told_reading(rules: Sequence[ReadingRule]) -> str:
    """Return how the inputs of a graph are read as JSON, for its metadata."""
    told = [
        {
            WAVES: rule.inputs[0],
            MASK: rule.inputs[1],
            "sample_rate": rule.preprocessing.sample_rate,
            "max_seconds": rule.preprocessing.max_seconds,
            "channels": "the mean of all",
            "fill": "zeros at the end, where the mask is 0",
        }
        for rule in rules
    ]
    return json.dumps(told)
