"""Limits on the result: how large it may be, and how long it may take for an item."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

import torch

from autotransfer.data.image_set import ImageSet
from autotransfer.models.features import FeatureReaders
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.source import Source

_BATCH = 8  # items in a timed batch
_REPEATS = 3


@dataclass
class ResultLimits:
    """What the result may weigh and cost.

    Every predictor runs the networks of its sources once for an item, whatever part of them it
    has tuned, so the time is that of one forward pass of each, measured once on this device.

    Args:
        max_mb: Largest size of its tensors and of the networks it reads, 1e6 bytes; None is no
            limit.
        max_ms: Longest time for a decoded item, in batches of eight, milliseconds; None is no
            limit.
        images: Items to measure on.
    """

    max_mb: float | None
    max_ms: float | None
    readers: FeatureReaders
    images: ImageSet
    _measured: dict[str, float] = field(default_factory=dict)

    @property
    def none(self) -> bool:
        """Return whether nothing is limited."""
        return self.max_mb is None and self.max_ms is None

    def against(self, sources: Iterable[Source], predictor: Predictor | None = None) -> str:
        """Return which limit is broken, empty where all are kept.

        Args:
            sources: The networks that are read.
            predictor: What is added to them; None is the least that any strategy adds.
        """
        read = list({source.fingerprint: source for source in sources}.values())
        if self.max_mb is not None:
            size = sum(self.readers[source].layout.megabytes for source in read)
            if predictor is not None:
                size += sum(tensor.nbytes for tensor in predictor.state()[0].values()) / 1e6
            if size > self.max_mb:
                return f"{size:.3g} MB, over --max-mb {self.max_mb:g}"
        if self.max_ms is not None:
            taken = sum(self._milliseconds(source) for source in read)
            if taken > self.max_ms:
                return f"{taken:.3g} ms an item, over --max-ms {self.max_ms:g}"
        return ""

    def _milliseconds(self, source: Source) -> float:
        if source.fingerprint not in self._measured:
            images = self.images.subset(list(range(min(_BATCH, len(self.images)))))
            reader = self.readers[source]
            inputs, taken = reader.standardised(images), []
            with torch.inference_mode():
                for _ in range(1 + _REPEATS):  # the first one warms up
                    began = time.perf_counter()
                    reader.backbone.features(inputs)
                    if inputs.is_cuda:
                        torch.cuda.synchronize()
                    taken.append(time.perf_counter() - began)
            self._measured[source.fingerprint] = 1000 * median(taken[1:]) / len(images)
        return self._measured[source.fingerprint]
