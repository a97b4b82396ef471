"""One predictor on frozen features of several sources, with a weight for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from autotransfer.plugin import (
    FeatureReader,
    ImageSet,
    Json,
    Layers,
    Predictor,
    PredictorState,
    Share,
    Source,
    TensorReader,
    heads,
    sources,
)

PROBE = "probe"


@dataclass(frozen=True)
class FusedProbe:
    """One probe of a fusion.

    Args:
        source: What it reads.
        predictor: A head on a stage of it.
        weight: What its probabilities count, in [0, 1].
    """

    source: Source
    predictor: heads.HeadPredictor
    weight: float


@dataclass(frozen=True)
class FusionPredictor(Predictor):
    """The weighted mean of the probabilities of several probes.

    Args:
        probes: Those of the own source first; their weights sum to one.
    """

    probes: tuple[FusedProbe, ...]

    @override
    def predict(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        own = self.probes[0].source.name
        parts = []
        for probe in self.probes:
            reader = features if probe.source.name == own else features.of(probe.source)
            parts.append(probe.weight * probe.predictor.predict(images, reader))
        mean: NDArray[np.float64] = np.sum(parts, axis=0)
        return mean

    @override
    def traced(self, features: TensorReader) -> Tensor:
        own = self.probes[0].source.name
        parts = []
        for probe in self.probes:
            reader = features if probe.source.name == own else features.of(probe.source)
            parts.append(probe.weight * probe.predictor.traced(reader))
        return torch.stack(parts).sum(dim=0)

    @override
    def state(self) -> PredictorState:
        tensors: dict[str, Tensor] = {}
        for number, probe in enumerate(self.probes):
            own, _ = probe.predictor.state()
            tensors |= {f"{key}.{number}": tensor for key, tensor in own.items()}
        origins = [self.probes[0].source, *self.companions]
        names = [source.name for source in origins]
        info: dict[str, Json] = {
            "sources": [names.index(probe.source.name) for probe in self.probes],
            "stages": [probe.predictor.stage for probe in self.probes],
            "weights": [probe.weight for probe in self.probes],
            "companions": [sources.to_json(source) for source in self.companions],
        }
        return tensors, info

    @property
    @override
    def layers(self) -> Layers:
        return self.probes[0].predictor.layers

    @property
    @override
    def companions(self) -> tuple[Source, ...]:
        by_name = {probe.source.name: probe.source for probe in self.probes}
        return tuple(by_name.values())[1:]

    @property
    @override
    def composition(self) -> tuple[Share, ...]:
        return tuple(
            Share(probe.source.name, PROBE, probe.predictor.layers, probe.weight)
            for probe in self.probes
        )


def restore_fusion(
    tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
) -> FusionPredictor:
    """Return the predictor whose `state()` was (tensors, info)."""
    origins = [source, *(sources.from_json(stored) for stored in info["companions"])]
    probes = [
        FusedProbe(
            origins[int(place)],
            heads.restore_head(_of(number, tensors), {"stage": int(stage)}),
            float(weight),
        )
        for number, (place, stage, weight) in enumerate(
            zip(info["sources"], info["stages"], info["weights"], strict=True)
        )
    ]
    return FusionPredictor(tuple(probes))


def _of(number: int, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of one probe by their own names."""
    end = f".{number}"
    return {key.removesuffix(end): found for key, found in tensors.items() if key.endswith(end)}
