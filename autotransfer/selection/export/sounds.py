"""A kept predictor of sounds as one graph: samples and their mask in.

How samples are read of a file is no part of it, but in its metadata: at which rate, and how long.
Sources that read alike share their inputs.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.sounds.preprocessing import SoundPreprocessing
from autotransfer.data.sounds.reading import GivenSounds
from autotransfer.models.backbone import Backbone
from autotransfer.models.sounds.backbone import SoundBackbone, read_waves
from autotransfer.models.source import Source
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.selection.export.pairs import PairGraph, input_names

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
        return input_names(WAVES, MASK, self.number)


class SoundGraph(PairGraph):
    """What `Kept.predict` does with sounds, from samples and masks.

    Args:
        kept: The predictor.
        source: The source that it reads.
    """

    def __init__(self, kept: Checkpoint, source: Source) -> None:
        super().__init__(kept, source)
        wanted = dict.fromkeys(one.preprocessing for one in self.sources)
        self.rules = tuple(ReadingRule(one, i) for i, one in enumerate(wanted, start=1))

    @property
    @override
    def ways(self) -> list[SoundPreprocessing]:
        return [rule.preprocessing for rule in self.rules]

    @override
    def way_of(self, source: Source) -> Hashable:
        way: Hashable = source.preprocessing
        return way

    @override
    def ready(self, backbone: Backbone, pair: Tensor) -> Tensor:
        assert isinstance(backbone, SoundBackbone)
        return backbone.ready(pair)


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
    return json.dumps(
        [
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
    )
