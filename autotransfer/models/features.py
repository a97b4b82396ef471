"""The feature cache: one forward pass per source and image, ever.

A pass yields the pooled features of every stage and, where the source has a head, its class
probabilities. They are kept on disk under a key made of the content of weights, preprocessing
and image, so that folds, strategies, later fits and `predict` share them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import (
    Geometry,
    PixelStore,
    Preprocessing,
    standardise,
    to_channels,
)
from autotransfer.data.images.views import PLAIN, View
from autotransfer.errors import InvalidSourceError, UndefinedScoreError
from autotransfer.models.activation_memory import ActivationMemory, stacked
from autotransfer.models.backbone import Backbone
from autotransfer.models.feature_store import FeatureStore, RowLayout
from autotransfer.models.folding import folded
from autotransfer.models.source import Source

BATCH_SIZE = 16  # with channels_last the fastest on two cores; larger ones miss the caches
FLUSH_ROWS = 256
WORTH_FOLDING = 64  # images; a network takes as long to fold as it then gains
ACTIVATION_BYTES = 1 << 30  # in memory, of all sources together

Loader = Callable[[Source], Backbone]


class Features:
    """The frozen side of one source: pooled features, head and stage inputs, each computed once.

    Several threads may use it: one at a time passes images, since what stages give is read by
    hooks on the network that they share.

    Args:
        source: Whose they are.
        readers: Those of all sources, with what they share.
    """

    def __init__(self, source: Source, readers: FeatureReaders) -> None:
        self.source = source
        self.of: Callable[[Source], Features] = readers.__getitem__
        self.device = readers.device
        self.seconds = 0.0  # of forward passes, decoding included
        self.passed = 0  # images that went through the network
        self._rows = readers.store.table(source)
        self._pixels, self._load = readers.pixels, readers.load
        self._backbone: Backbone | None = None
        self._frozen: Backbone | None = None  # the same features in less time
        self._awaited = 0  # images, since the network was loaded
        self._activations = readers.activations
        self._lock = threading.RLock()  # of the network and the rows

    @property
    def backbone(self) -> Backbone:
        """Return the frozen network, loading it at the first call."""
        if self._backbone is None:
            self._backbone = self._load(self.source).to(self.device).eval()
        return self._backbone

    def _passed_through(self, num_images: int) -> Backbone:
        """Return the network for so many more images: for many a lighter one."""
        self._awaited += num_images
        if self._frozen is None and self._awaited >= WORTH_FOLDING:
            self._frozen = folded(self.backbone)
        return self._frozen or self.backbone

    def release(self) -> None:
        """Forget the network and its activations; rows of features stay on disk."""
        self.unload()
        self._activations.forget(self.source.fingerprint)

    def unload(self) -> None:
        """Forget the network; it is loaded again when something is missing."""
        self._backbone, self._frozen, self._awaited = None, None, 0

    @property
    def layout(self) -> RowLayout:
        """Return the widths of the stages and of the head."""
        with self._lock:
            if self._rows.layout is None:
                backbone = self.backbone
                widths = tuple(stage.num_features for stage in backbone.stages)
                self._rows.set_layout(
                    RowLayout(widths, backbone.num_source_classes, backbone.megabytes)
                )
            layout = self._rows.layout
        assert layout is not None
        return layout

    @property
    def num_stages(self) -> int:
        """Return the number S of stages."""
        return len(self.layout.widths)

    @property
    def pace(self) -> float | None:
        """Return the seconds an image of the passes so far; None before the first."""
        return self.seconds / self.passed if self.passed else None

    def __call__(self, images: ImageSet, stage: int | None = None) -> NDArray[np.float32]:
        """Return the (n, d) pooled features of `stage`; None is the last stage."""
        start, stop = self.layout.columns(self.num_stages if stage is None else stage)
        return self._gather(images, start, stop)

    def probabilities(self, images: ImageSet) -> NDArray[np.float32]:
        """Return the (n, Z) class probabilities of the source's own head."""
        if not self.layout.num_source_classes:
            raise UndefinedScoreError(f"{self.source.name} has no classifier of its own")
        start, stop = self.layout.head_columns
        return self._gather(images, start, stop)

    def inputs(self, images: ImageSet, stage: int, *, view: View = PLAIN) -> CachedInputs:
        """Return what the layers after `stage` read; see `FeatureReader.inputs`."""
        return CachedInputs(self, images, stage, view)

    def missing(self, images: ImageSet) -> int:
        """Return how many of the images need a forward pass."""
        return len({digest for digest in images.pixel_keys if digest not in self._rows})

    def standardised(self, images: ImageSet, view: View = PLAIN) -> Tensor:
        """Return the input of the network: of images (n, 3, h, w) float32."""
        preprocessing = self.source.preprocessing
        if not isinstance(preprocessing, Preprocessing):
            return self.backbone.prepared(images, view)
        pixels = self._pixels.get(images, Geometry.of(preprocessing))
        pixels = view.apply(pixels, images.digests)
        ready = standardise(pixels, preprocessing).to(self.device)
        ready = to_channels(ready, self.source.num_channels)
        return ready.contiguous(memory_format=torch.channels_last)

    def _gather(self, images: ImageSet, start: int, stop: int) -> NDArray[np.float32]:
        with self._lock:
            self._fill(images)
            return self._rows.read(images.pixel_keys, start, stop)

    def _fill(self, images: ImageSet) -> None:
        """Run the pass over the images that have no row yet; written in pieces as it goes."""
        first = {
            d: i for i, d in reversed(list(enumerate(images.pixel_keys))) if d not in self._rows
        }
        if not first:
            return
        began = time.perf_counter()
        positions = np.array(sorted(first.values()), dtype=np.int64)
        for begin in range(0, len(positions), FLUSH_ROWS):
            piece = images.subset(positions[begin : begin + FLUSH_ROWS])
            self._rows.append(piece.pixel_keys, self._pass(piece))
        self.seconds += time.perf_counter() - began
        self.passed += len(positions)

    def _pass(self, images: ImageSet) -> NDArray[np.float32]:
        rows = np.empty((len(images), self.layout.width), dtype=np.float32)
        network = self._passed_through(len(images))
        for positions in _batches(len(images), BATCH_SIZE):
            with torch.inference_mode():
                found = network.features(self.standardised(images.subset(positions)))
            parts = [*found.pooled] + (
                [] if found.probabilities is None else [found.probabilities]
            )
            rows[positions] = torch.cat([part.float() for part in parts], dim=1).cpu().numpy()
        bad = ~np.isfinite(rows).all(axis=1)
        if bad.any():
            raise InvalidSourceError(
                f"source {self.source.name!r}: the features of {int(bad.sum())} of {len(rows)} "
                "images are infinite or NaN; its weights are damaged, or are not those of "
                f"{self.source.architecture}"
            )
        return rows

    def activations(self, images: ImageSet, stage: int, view: View) -> Tensor:
        """Return the raw (n, ...) output of `stage`, kept in memory as far as it fits."""
        own = self.source.fingerprint
        keys = [(own, stage, view, digest) for digest in images.pixel_keys]
        kept = [self._activations.get(key) for key in keys]
        rows = {i: row for i, row in enumerate(kept) if row is not None}
        missing = [i for i in range(len(keys)) if i not in rows]
        for begin in range(0, len(missing), BATCH_SIZE):
            positions = missing[begin : begin + BATCH_SIZE]
            with self._lock:
                network = self._passed_through(len(positions))
                with torch.inference_mode():
                    x = self.standardised(images.subset(positions), view)
                    z = network.activations(x, stage).cpu()
            for i, row in zip(positions, z, strict=True):
                rows[i] = network.own_part(row)
                self._activations.put(keys[i], rows[i])
        return stacked([rows[i] for i in range(len(keys))]).to(self.device)


class CachedInputs:
    """The inputs of the layers after a stage; see `StageInputs`."""

    def __init__(self, features: Features, images: ImageSet, stage: int, view: View) -> None:
        self._features = features
        self._images = images
        self._stage = stage
        self._view = view

    def __len__(self) -> int:
        return len(self._images)

    def batch(self, positions: NDArray[np.int64]) -> Tensor:
        """Return the float32 (b, ...) inputs of the images at `positions`."""
        images = self._images.subset(positions)
        if self._stage == 0:
            return self._features.standardised(images, self._view)
        return self._features.activations(images, self._stage, self._view)


class _NoFeatures:
    """For predictors that read pixels alone: asking for features is an error."""

    num_stages = 0

    def __call__(self, *_: Any, **__: Any) -> Any:
        """Refuse."""
        raise UndefinedScoreError("there is no source to read from")

    probabilities = inputs = of = __call__


NO_FEATURES = _NoFeatures()


class FeatureReaders:
    """One `Features` for each source of a fit, sharing decoded pixels, memory and the disk.

    Args:
        store: Where rows of features are kept.
        pixels: Decoded images, shared by all sources of one input size.
        load: Returns the pretrained network of a source; called only when something is missing.
        device: Where to compute.
        activation_bytes: Memory for raw stage outputs, of all sources together.
    """

    def __init__(
        self,
        store: FeatureStore,
        pixels: PixelStore,
        load: Loader,
        device: torch.device,
        activation_bytes: int = ACTIVATION_BYTES,
    ) -> None:
        self.device = device
        self.load = load
        self.store, self.pixels = store, pixels
        self.activations = ActivationMemory(activation_bytes)
        self._readers: dict[str, Features] = {}

    def __getitem__(self, source: Source) -> Features:
        key = source.fingerprint
        if key not in self._readers:
            self._readers[key] = Features(source, self)
        return self._readers[key]

    def release(self, keep: Sequence[Source] = ()) -> None:
        """Forget the networks of all sources but the ones to keep."""
        kept = {source.fingerprint for source in keep}
        for key, reader in self._readers.items():
            if key not in kept:
                reader.release()

    def focus(self, source: Source) -> None:
        """Forget the networks of all other sources, so that several do not add up."""
        for key, reader in self._readers.items():
            if key != source.fingerprint:
                reader.unload()

    @property
    def mean_pace(self) -> float | None:
        """Return the mean seconds for an image over the sources with passes; None without any."""
        known = [reader.pace for reader in self._readers.values() if reader.pace is not None]
        return sum(known) / len(known) if known else None

    @property
    def seconds(self) -> float:
        """Return the wall time spent in forward passes of frozen sources."""
        return sum(reader.seconds for reader in self._readers.values())


def _batches(n: int, size: int) -> list[NDArray[np.int64]]:
    return [np.arange(i, min(i + size, n), dtype=np.int64) for i in range(0, n, size)]
