"""Several predictors as one: the weighted mean of their probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.models.calibration import tempered, tempered_tensor
from autotransfer.models.predictors.base import (
    FeatureReader,
    Predictor,
    PredictorState,
    TensorReader,
    tensors_under,
)
from autotransfer.models.source import Source, source_from_json, source_to_json
from autotransfer.results import Json, Share

ENSEMBLE = "ensemble"

Restore: TypeAlias = Callable[
    [str, Mapping[str, Tensor], Mapping[str, Json], Source | None], Predictor
]


@dataclass(frozen=True)
class Member:
    """One trial of an ensemble, or one baseline of several.

    Args:
        strategy: Name of the strategy, or of the baseline, which restores it.
        source: The source that it reads; None where it reads pixels alone.
        weight: How much it counts beside the others.
        predictor: Its answer.
        temperature: What its probabilities are softened by before they are added.
    """

    strategy: str
    source: Source | None
    weight: float
    predictor: Predictor
    temperature: float = 1.0


@dataclass(frozen=True)
class EnsemblePredictor(Predictor):
    """The weighted mean of the members' probabilities."""

    members: tuple[Member, ...]

    @override
    def predict(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        total = sum(member.weight for member in self.members)
        parts = []
        for member in self.members:
            own = features if member.source is None else features.of(member.source)
            said = tempered(member.predictor.predict(images, own), member.temperature)
            parts.append(member.weight / total * said)
        mean: NDArray[np.float64] = np.sum(parts, axis=0)
        return mean

    @override
    def traced(self, features: TensorReader) -> Tensor:
        total = sum(member.weight for member in self.members)
        parts = []
        for member in self.members:
            own = features if member.source is None else features.of(member.source)
            said = tempered_tensor(member.predictor.traced(own), member.temperature)
            parts.append(member.weight / total * said)
        return torch.stack(parts).sum(dim=0)

    @override
    def state(self) -> PredictorState:
        tensors: dict[str, Tensor] = {}
        members = []
        for number, member in enumerate(self.members):
            own, info = member.predictor.state()
            tensors |= {f"{number}.{name}": tensor for name, tensor in own.items()}
            places = [self._place(source) for source in _read_by(member)]
            members.append(
                {
                    "strategy": member.strategy,
                    "weight": member.weight,
                    "temperature": member.temperature,
                    "info": info,
                    "sources": places,
                }
            )
        companions = [source_to_json(source) for source in self.companions]
        return tensors, {"members": members, "companions": companions}

    @property
    def sources(self) -> tuple[Source, ...]:
        """Return the different sources that members read, that of the first member first."""
        read = [source for member in self.members for source in _read_by(member)]
        return tuple({source.fingerprint: source for source in read}.values())

    @property
    @override
    def companions(self) -> tuple[Source, ...]:
        return self.sources[1:]

    @property
    @override
    def composition(self) -> tuple[Share, ...]:
        total = sum(member.weight for member in self.members)
        found = list[Share]()
        for member in self.members:
            weight = member.weight / total
            name = None if member.source is None else member.source.name
            own = (Share(name, member.strategy, member.predictor.layers, 1.0),)
            parts = member.predictor.composition or own
            found += [replace(share, weight=weight * share.weight) for share in parts]
        return tuple(found)

    def _place(self, source: Source) -> int:
        return [s.fingerprint for s in self.sources].index(source.fingerprint)


def _read_by(member: Member) -> tuple[Source, ...]:
    own = () if member.source is None else (member.source,)
    return (*own, *member.predictor.companions)


def restore_ensemble(
    tensors: Mapping[str, Tensor],
    info: Mapping[str, Json],
    source: Source | None,
    restore: Restore,
) -> EnsemblePredictor:
    """Return the ensemble whose `state()` was (tensors, info).

    Args:
        tensors: Of all members.
        info: Of all members.
        source: That of the first member that has one.
        restore: Brings back a member by the name of its strategy or baseline.
    """
    beside = [source_from_json(stored) for stored in info["companions"]]
    sources = beside if source is None else [source, *beside]
    members = []
    for number, stored in enumerate(info["members"]):
        own = tensors_under(tensors, f"{number}.")
        read, *further = [sources[place] for place in stored["sources"]] or [None]
        inner = {**stored["info"]}
        if further or "companions" in inner:  # its own are where they were when it was saved
            inner["companions"] = [source_to_json(companion) for companion in further if companion]
        predictor = restore(stored["strategy"], own, inner, read)
        weight, temperature = float(stored["weight"]), float(stored.get("temperature", 1.0))
        members.append(Member(stored["strategy"], read, weight, predictor, temperature))
    return EnsemblePredictor(tuple(members))
