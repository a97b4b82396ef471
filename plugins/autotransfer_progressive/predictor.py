"""What a progressive network reads, and how its answer is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

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
    Source,
    TensorReader,
    View,
    networks,
    sources,
)
from autotransfer_progressive.network import ProgressiveNetwork, Tap


@dataclass(frozen=True)
class Plan:
    """The columns and what connects them.

    Args:
        twin: The new column: the architecture without weights, on small images.
        columns: The frozen sources.
        taps: The laterals.
        lateral_width: Width of an adapter, in units of the channels that it reads.
        num_classes: K.
    """

    twin: Source
    columns: tuple[Source, ...]
    taps: tuple[Tap, ...]
    lateral_width: float
    num_classes: int

    def network(self, seed: int) -> ProgressiveNetwork:
        """Return the network before its first step."""
        column = networks.load_backbone(self.twin)
        return ProgressiveNetwork(column, self.taps, self.num_classes, self.lateral_width, seed)


class Batches:
    """Small images of a step, and the laterals of the same images in the same view."""

    def __init__(
        self, plan: Plan, features: FeatureReader, images: ImageSet, *, flips: bool
    ) -> None:
        views = [View(), View("mirror")] if flips else [View()]
        twin = features.of(plan.twin)
        self._small: list[networks.StageInputs] = [
            twin.inputs(images, 0, view=view) for view in views
        ]
        self._taps: list[list[networks.StageInputs]] = [
            [
                features.of(plan.columns[tap.column]).inputs(images, tap.stage, view=view)
                for tap in plan.taps
            ]
            for view in views
        ]
        self._view = 0

    def __call__(self, positions: NDArray[np.int64], generator: np.random.Generator) -> Tensor:
        """Return the small images; a whole batch is mirrored or not."""
        self._view = int(generator.integers(len(self._small)))
        return self._small[self._view].batch(positions)

    def laterals(self, positions: NDArray[np.int64]) -> list[Tensor]:
        """Return what the frozen columns say of the images of the last call."""
        return [inputs.batch(positions) for inputs in self._taps[self._view]]


@dataclass(frozen=True)
class ProgressivePredictor(Predictor):
    """A trained column with its adapters; the frozen columns are read through the cache."""

    plan: Plan
    tensors: Mapping[str, Tensor] = field(repr=False)

    @classmethod
    def of(cls, network: ProgressiveNetwork, plan: Plan) -> ProgressivePredictor:
        """Return a snapshot of the network; it predicts with the network as it is now."""
        tensors = {
            key: value.detach().cpu().clone() for key, value in network.state_dict().items()
        }
        snapshot = cls(plan, tensors)
        snapshot.__dict__["network"] = network
        return snapshot

    @cached_property
    def network(self) -> ProgressiveNetwork:
        """Return the trained network, built at the first prediction, in eval mode."""
        network = self.plan.network(0)
        network.load_state_dict(dict(self.tensors))
        return network.eval()

    @override
    def predict(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        batches = Batches(self.plan, features, images, flips=False)
        device = next(self.network.parameters()).device
        generator, parts = np.random.default_rng(0), []
        with torch.inference_mode():
            for start in range(0, len(images), networks.PREDICTION_BATCH):
                stop = min(start + networks.PREDICTION_BATCH, len(images))
                positions = np.arange(start, stop, dtype=np.int64)
                x = batches(positions, generator).to(device)
                logits = self.network(x, [z.to(device) for z in batches.laterals(positions)])
                parts.append(logits.double().softmax(dim=1).cpu().numpy())
        return np.concatenate(parts)

    @override
    def traced(self, features: TensorReader) -> Tensor:
        laterals = [
            features.of(self.plan.columns[tap.column]).inputs(tap.stage) for tap in self.plan.taps
        ]
        logits: Tensor = self.network(features.of(self.plan.twin).inputs(0), laterals)
        return logits.double().softmax(dim=1)

    @override
    def state(self) -> PredictorState:
        info = {
            "twin": sources.to_json(self.plan.twin),
            "columns": len(self.plan.columns),
            "companions": [sources.to_json(source) for source in self.companions],
            "taps": [vars(tap) for tap in self.plan.taps],
            "lateral_width": self.plan.lateral_width,
            "num_classes": self.plan.num_classes,
        }
        return dict(self.tensors), info

    @property
    @override
    def layers(self) -> Layers:
        """Return every stage as fresh and tuned: none of the source's weights is copied."""
        stages = networks.load_backbone(self.plan.twin, pretrained=False).num_stages
        return Layers(stage=stages, copied=0, tuned=stages)

    @property
    @override
    def companions(self) -> tuple[Source, ...]:
        return self.plan.columns[1:]


def restore_progressive(
    tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
) -> ProgressivePredictor:
    """Return the predictor whose `state()` was (tensors, info)."""
    companions = [sources.from_json(values) for values in info["companions"]]
    plan = Plan(
        twin=sources.from_json(info["twin"]),
        columns=(source, *companions)[: int(info["columns"])],
        taps=tuple(Tap(**tap) for tap in info["taps"]),
        lateral_width=float(info["lateral_width"]),
        num_classes=int(info["num_classes"]),
    )
    return ProgressivePredictor(plan, dict(tensors))
