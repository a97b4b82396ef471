"""The predictor, and what it reads: the features and stage inputs of frozen sources."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.views import PLAIN, View
from autotransfer.errors import ExportError
from autotransfer.models.source import Source
from autotransfer.results import Json, Layers, Share

_SMALLEST = 1e-12  # a probability of zero has no logarithm

PredictorState: TypeAlias = tuple[dict[str, Tensor], dict[str, Json]]


def tensors_under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


@runtime_checkable
class StageInputs(Protocol):
    """The inputs of the layers after some stage, gathered in batches."""

    def __len__(self) -> int: ...

    def batch(self, positions: NDArray[np.int64]) -> Tensor:
        """Return the float32 (b, ...) inputs of the images at `positions`."""
        ...


@runtime_checkable
class FeatureReader(Protocol):
    """The cache of one frozen source: nothing is computed twice for the same image."""

    @property
    def num_stages(self) -> int:
        """Return the number S of stages; the network is not loaded where the cache knows it."""
        ...

    def __call__(self, images: ImageSet, stage: int | None = None) -> NDArray[np.float32]:
        """Return the (n, d) pooled features of `stage`; None is the last stage."""
        ...

    def probabilities(self, images: ImageSet) -> NDArray[np.float32]:
        """Return the (n, Z) class probabilities of the source's own head.

        Raises:
            UndefinedScoreError: If the source has no head.
        """
        ...

    def inputs(self, images: ImageSet, stage: int, *, view: View = PLAIN) -> StageInputs:
        """Return what the layers after `stage` read, image by image.

        Args:
            images: The images.
            stage: 0 for the standardised images themselves, (n, 3, h, w); k for the raw output
                of stage k, the input of `Backbone.suffix(k)`. A frozen prefix runs once for each
                image as far as memory allows.
            view: What is done to the pixels first.
        """
        ...

    def of(self, source: Source) -> FeatureReader:
        """Return the cache of another source."""
        ...


class TensorReader(Protocol):
    """The frozen side of one source as tensor operations on one batch, for an export."""

    def __call__(self, stage: int) -> Tensor:
        """Return the (b, d) pooled features of a stage."""
        ...

    def inputs(self, stage: int) -> Tensor:
        """Return what the layers after a stage read; stage 0 is the standardised images."""
        ...

    def of(self, source: Source) -> TensorReader:
        """Return the same batch as another source sees it."""
        ...


class Predictor(ABC):
    """A trained answer: data, not a closure, saved and restored without pickle."""

    @abstractmethod
    def predict(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        """Return the (n, K) class probabilities; every row sums to one."""

    @abstractmethod
    def state(self) -> PredictorState:
        """Return the tensors (to safetensors) and the plain values (to JSON)."""

    def embed(self, images: ImageSet, features: FeatureReader) -> NDArray[np.float64]:
        """Return the (n, d) features that the classifier reads.

        Without features of its own a predictor shows its log probabilities, (n, K).
        """
        return np.log(np.maximum(self.predict(images, features), _SMALLEST))

    def traced(self, features: TensorReader) -> Tensor:  # noqa: ARG002 - of those that can
        """Return the (b, K) probabilities in double precision, as tensor operations.

        An export to ONNX follows these operations; a predictor may do without.

        Raises:
            ExportError: If the predictor cannot be written as tensor operations.
        """
        raise ExportError(f"a {type(self).__name__} cannot be written as a graph")

    @property
    def layers(self) -> Layers | None:
        """Return which stages of the source are used, or None where that has no meaning."""
        return None

    @property
    def companions(self) -> tuple[Source, ...]:
        """Return the further sources that it reads through `FeatureReader.of`.

        A predictor that has some writes them into the plain values of its state as
        `{"companions": [sources.to_json(source), ...]}` and restores them from there; their
        weights are then saved with it.
        """
        return ()

    @property
    def composition(self) -> tuple[Share, ...]:
        """Return what it is put together of; empty where it is one predictor on one source."""
        return ()
