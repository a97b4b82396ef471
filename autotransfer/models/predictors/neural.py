"""The two predictors that the core ships: a head on stages, and a network with a head."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.models.backbone import Backbone, load_backbone
from autotransfer.models.heads.linear import LinearHead, unit_rows
from autotransfer.models.predictors.base import (
    FeatureReader,
    Predictor,
    PredictorState,
    StageInputs,
    TensorReader,
)
from autotransfer.models.source import Source
from autotransfer.results import Json, Layers

PREDICTION_BATCH = 32


@dataclass(frozen=True)
class HeadPredictor(Predictor):
    """A linear head on the pooled features of one or more stages of the frozen source.

    Args:
        head: Reads the (n, d) features, those of several stages side by side.
        stage: The highest stage, in 1..S.
        below: Further stages, ascending, whose features come before.
        centres: Mean feature of each stage, ascending; where given, each stage is centred and
            brought to length one (CL2N: Wang et al., SimpleShot, arXiv:1911.04623).
    """

    head: LinearHead
    stage: int
    below: tuple[int, ...] = field(default=(), kw_only=True)
    centres: tuple[NDArray[np.float64], ...] = field(default=(), kw_only=True)

    @property
    def stages(self) -> tuple[int, ...]:
        """Return the stages that are read, ascending."""
        return (*self.below, self.stage)

    @override
    def predict(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        return self.head.probabilities(self.embed(images, features))

    @override
    def embed(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        blocks = [features(images, stage) for stage in self.stages]
        return np.asarray(side_by_side(blocks, self.centres), dtype=np.float64)

    @override
    def traced(self, features: TensorReader) -> Tensor:
        return self.traced_logits(features).softmax(dim=1)

    def traced_logits(self, features: TensorReader) -> Tensor:
        """Return the (b, K) scores as tensor operations."""
        blocks = [features(stage).double() for stage in self.stages]
        if self.centres:
            blocks = [
                nn.functional.normalize(block - torch.from_numpy(centre), dim=1, eps=1e-12)
                for block, centre in zip(blocks, self.centres, strict=True)
            ]
        return traced_logits(self.head, torch.cat(blocks, dim=1))

    @override
    def state(self) -> PredictorState:
        tensors = {
            "weight": torch.from_numpy(np.ascontiguousarray(self.head.weight)),
            "bias": torch.from_numpy(self.head.bias),
        }
        for number, centre in enumerate(self.centres):
            tensors[f"centre.{number}"] = torch.from_numpy(centre)
        return tensors, {"stage": self.stage, "below": list(self.below)}

    @property
    @override
    def layers(self) -> Layers:
        return Layers(stage=self.stage, copied=self.stage, tuned=0)


def traced_logits(head: LinearHead, features: Tensor) -> Tensor:
    """Return the (b, K) scores of (b, d) features in double precision, as tensor operations."""
    weight = torch.from_numpy(np.ascontiguousarray(head.weight))
    return features.double() @ weight.T + torch.from_numpy(head.bias)


def side_by_side(
    blocks: Sequence[NDArray[np.floating]], centres: Sequence[NDArray[np.float64]] = ()
) -> NDArray[np.floating]:
    """Return (n, d) features of several stages; with centres, each centred and of length one."""
    if centres:
        blocks = [unit_rows(x - c) for x, c in zip(blocks, centres, strict=True)]
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)


def restore_head(tensors: Mapping[str, Tensor], info: Mapping[str, Json]) -> HeadPredictor:
    """Return the predictor whose `state()` was (tensors, info)."""
    head = LinearHead(tensors["weight"].numpy(), tensors["bias"].numpy())
    centres = [tensors[f"centre.{i}"].numpy() for i in range(len(tensors) - 2)]
    below = tuple(int(stage) for stage in info.get("below", ()))
    return HeadPredictor(head, int(info["stage"]), below=below, centres=tuple(centres))


class HeadedSuffix(nn.Module):
    """The layers after a stage, with a linear classifier on their pooled output.

    Args:
        suffix: Takes the raw output of a stage, returns (b, d).
        num_features: d.
        num_classes: K.
        seed: Initialises the classifier; torch's global state is left as it was.
    """

    def __init__(
        self, suffix: nn.Module, num_features: int, num_classes: int, *, seed: int = 0
    ) -> None:
        super().__init__()
        self.suffix = suffix
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.head = nn.Linear(num_features, num_classes)

    @classmethod
    def after(
        cls, backbone: Backbone, stage: int, num_classes: int, device: torch.device, *, seed: int
    ) -> tuple[int, Self]:
        """Return where a source was cut, and what comes after it: all of it may learn.

        Args:
            backbone: Cut after the stage, or after a lower one where that is not possible.
            stage: In 0..S-1.
            num_classes: K.
            device: Where to compute.
            seed: Initialises the classifier.
        """
        frozen, suffix = backbone.cut(stage)
        suffix.eval().requires_grad_(requires_grad=True)
        return frozen, cls(suffix, backbone.num_features, num_classes, seed=seed).to(device)

    @override
    def forward(self, z: Tensor) -> Tensor:
        """Return the (b, K) logits of a batch of stage outputs."""
        logits: Tensor = self.head(self.features(z))
        return logits

    def features(self, z: Tensor) -> Tensor:
        """Return the (b, d) features that the classifier reads."""
        features: Tensor = self.suffix(z)
        return features

    def set_head(self, head: LinearHead) -> None:
        """Start from a head that was fitted on the same pooled features."""
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(head.weight))
            self.head.bias.copy_(torch.from_numpy(head.bias))


@dataclass(frozen=True)
class NetworkPredictor(Predictor):
    """A trained network: the frozen stages of the source, then trained layers and a head.

    Args:
        source: Gives the frozen stages and the architecture of the rest.
        frozen: Number of frozen stages; what follows is in `tensors`.
        layers_used: What to report as the layers.
        tensors: State of the `HeadedSuffix`.
        num_classes: K.
    """

    source: Source
    frozen: int
    layers_used: Layers
    num_classes: int
    tensors: Mapping[str, Tensor] = field(repr=False)
    headed: ClassVar[type[HeadedSuffix]] = HeadedSuffix

    @classmethod
    def restored(
        cls, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
    ) -> Self:
        """Return the predictor whose `state()` was (tensors, info)."""
        layers = Layers(*(int(value) for value in info["layers"]))
        return cls(source, int(info["frozen"]), layers, int(info["num_classes"]), dict(tensors))

    @classmethod
    def of(
        cls, network: HeadedSuffix, source: Source, *, frozen: int, layers: Layers
    ) -> NetworkPredictor:
        """Return a snapshot of the network as it is now.

        The snapshot's tensors are its own. It predicts with the given network, which saves
        building another: predict before the network is trained further.
        """
        tensors = {
            key: value.detach().cpu().clone() for key, value in network.state_dict().items()
        }
        snapshot = cls(source, frozen, layers, network.head.out_features, tensors)
        snapshot.__dict__["network"] = network  # what `cached_property` would build
        return snapshot

    @cached_property
    def network(self) -> HeadedSuffix:
        """Return the trained layers, built at the first prediction, in eval mode."""
        backbone = load_backbone(self.source, pretrained=False)
        suffix = backbone.suffix(self.frozen)
        network = self.headed(suffix, backbone.num_features, self.num_classes)
        network.load_state_dict(dict(self.tensors))
        return network.eval()

    @override
    def predict(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        inputs = features.inputs(images, self.frozen)
        return predict_batches(self.network, inputs.batch, len(images))

    @override
    def embed(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        inputs = features.inputs(images, self.frozen)
        return _in_batches(self.network.features, inputs.batch, len(images), self.device)

    @override
    def traced(self, features: TensorReader) -> Tensor:
        logits: Tensor = self.network(features.inputs(self.frozen))
        return logits.double().softmax(dim=1)

    @property
    def device(self) -> torch.device:
        """Return where the network computes."""
        return next(self.network.parameters()).device

    @override
    def state(self) -> PredictorState:
        layers = self.layers_used
        info = {
            "frozen": self.frozen,
            "num_classes": self.num_classes,
            "layers": [layers.stage, layers.copied, layers.tuned],
        }
        return dict(self.tensors), info

    @property
    @override
    def layers(self) -> Layers:
        return self.layers_used


def restore_network(
    tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source
) -> NetworkPredictor:
    """Return the predictor whose `state()` was (tensors, info)."""
    return NetworkPredictor.restored(tensors, info, source)


def predict_batches(
    network: nn.Module, batch: Callable[[NDArray[np.int64]], Tensor], n: int
) -> NDArray[np.float64]:
    """Return the (n, K) softmax outputs of a network in eval mode.

    Args:
        network: Maps a batch of inputs to (b, K) logits.
        batch: Returns the inputs at (b,) positions.
        n: Number of images.
    """

    def probabilities(inputs: Tensor) -> Tensor:
        return network(inputs).double().softmax(dim=1)  # type: ignore[no-any-return]

    return _in_batches(probabilities, batch, n, next(network.parameters()).device)


def features_after(suffix: nn.Module, inputs: StageInputs) -> NDArray[np.float64]:
    """Return the (n, d) features that the layers after a stage make of all inputs.

    Args:
        suffix: Returns (b, d) features; in evaluation mode.
        inputs: Of n images.
    """
    device = next(suffix.parameters()).device
    return _in_batches(suffix, inputs.batch, len(inputs), device)


def _in_batches(
    function: Callable[[Tensor], Tensor],
    batch: Callable[[NDArray[np.int64]], Tensor],
    n: int,
    device: torch.device,
) -> NDArray[np.float64]:
    """Return the rows that a function yields for n images."""
    parts: list[NDArray[np.float64]] = []
    with torch.inference_mode():
        for start in range(0, n, PREDICTION_BATCH):
            positions = np.arange(start, min(start + PREDICTION_BATCH, n), dtype=np.int64)
            rows = function(batch(positions).to(device))
            parts.append(rows.double().cpu().numpy())
    return np.concatenate(parts)
