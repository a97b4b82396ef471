"""One predictor on frozen features of several sources, with a weight for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
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
class Joint:
    """One probe on the features of several sources side by side.

    Args:
        parts: For each source, what it adds to the logits; `weight` is its share of the rows.
        weight: What its probabilities count, in [0, 1].
    """

    parts: tuple[FusedProbe, ...] = ()
    weight: float = 0.0


@dataclass(frozen=True)
class FusionPredictor(Predictor):
    """The weighted mean of the probabilities of several probes.

    Args:
        probes: Those of the own source first; their weights sum to one, that of `joint` included.
        joint: A further probe, which reads several sources; without parts there is none.
    """

    probes: tuple[FusedProbe, ...]
    joint: Joint = field(default=Joint())

    @override
    def predict(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        def reader(probe: FusedProbe) -> FeatureReader:
            return features if probe.source.name == own else features.of(probe.source)

        own = self.probes[0].source.name
        parts = [p.weight * p.predictor.predict(images, reader(p)) for p in self.probes]
        if self.joint.parts:
            logits = [
                part.predictor.head.logits(part.predictor.embed(images, reader(part)))
                for part in self.joint.parts
            ]
            parts.append(self.joint.weight * softmax(np.sum(logits, axis=0), axis=1))
        mean: NDArray[np.float64] = np.sum(parts, axis=0)
        return mean

    @override
    def traced(self, features: TensorReader) -> Tensor:
        def reader(probe: FusedProbe) -> TensorReader:
            return features if probe.source.name == own else features.of(probe.source)

        own = self.probes[0].source.name
        parts = [p.weight * p.predictor.traced(reader(p)) for p in self.probes]
        if self.joint.parts:
            logits = [part.predictor.traced_logits(reader(part)) for part in self.joint.parts]
            parts.append(self.joint.weight * torch.stack(logits).sum(dim=0).softmax(dim=1))
        return torch.stack(parts).sum(dim=0)

    @override
    def state(self) -> PredictorState:
        tensors: dict[str, Tensor] = {}
        for number, probe in enumerate(self._all):
            own, _ = probe.predictor.state()
            # copies: a probe and its part of the joint one share their centre
            tensors |= {f"{key}.{number}": tensor.clone() for key, tensor in own.items()}
        origins = [self.probes[0].source, *self.companions]
        names = [source.name for source in origins]
        info: dict[str, Json] = {
            "sources": [names.index(probe.source.name) for probe in self._all],
            "stages": [probe.predictor.stage for probe in self._all],
            "weights": [probe.weight for probe in self._all],
            "companions": [sources.to_json(source) for source in self.companions],
        }
        if self.joint.parts:
            info["joint"] = {"parts": len(self.joint.parts), "weight": self.joint.weight}
        return tensors, info

    @property
    def _all(self) -> tuple[FusedProbe, ...]:
        return (*self.probes, *self.joint.parts)

    @property
    @override
    def layers(self) -> Layers:
        return self.probes[0].predictor.layers

    @property
    @override
    def companions(self) -> tuple[Source, ...]:
        by_name = {probe.source.name: probe.source for probe in self._all}
        return tuple(by_name.values())[1:]

    @property
    @override
    def composition(self) -> tuple[Share, ...]:
        """Return what each probe weighs, with the share that its source has in the joint one."""
        weighed = [(probe, probe.weight) for probe in self.probes]
        weighed += [(part, part.weight * self.joint.weight) for part in self.joint.parts]
        found: dict[tuple[str, int], Share] = {}
        for probe, weight in weighed:
            name, predictor = probe.source.name, probe.predictor
            before = found.get((name, predictor.stage))
            total = weight if before is None else before.weight + weight
            found[name, predictor.stage] = Share(name, PROBE, predictor.layers, total)
        return tuple(found.values())


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
    joint = info.get("joint", {"parts": 0, "weight": 0.0})
    alone = len(probes) - int(joint["parts"])
    return FusionPredictor(
        tuple(probes[:alone]), Joint(tuple(probes[alone:]), float(joint["weight"]))
    )


def _of(number: int, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of one probe by their own names."""
    end = f".{number}"
    return {key.removesuffix(end): found for key, found in tensors.items() if key.endswith(end)}
