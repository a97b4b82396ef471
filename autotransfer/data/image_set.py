"""Lazy, indexable, immutable sets of items: images or texts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autotransfer.data.modality import Modality, modality_of
from autotransfer.errors import HiddenLabelsError

USUAL_DEPTH = 16  # bits of a grey value of more than 8 bits, where nothing else is known


class ImageReader(Protocol):
    """Where items come from; one implementation per storage.

    A reader of anything but images says so by its attribute `modality`.
    """

    @property
    def names(self) -> Sequence[str]:
        """Return the path of each image below the target, or its index in an array."""
        ...

    @property
    def digests(self) -> Sequence[str]:
        """Return the sha256 of the content of each image, as hex."""
        ...

    def read(self, index: int, min_side: int | None = None) -> Any:
        """Return one item: a decoded image, upright, or a text.

        Args:
            index: Which one.
            min_side: Shortest side in pixels that is needed; a decoder may deliver a smaller
                image than the file holds, but not below this.

        A reader whose values can be deep takes a third argument: how many bits they use.
        """
        ...


class ImageSet:
    """Items with or without labels: `len()`, `[i]`, `.labels`, `.subset(...)`.

    What an item is depends on the reader: an image unless it says otherwise.

    Args:
        reader: Where the images come from.
        indices: (n,) which images of the reader belong to the set, in order.
        labels: (n,) class of each image in [0, K); None hides or lacks them.
        class_names: Names of the K classes.
        depth: Bits that a value of 16 or 32 bits uses in these images; None where there
            are none that are so deep, or where the reader is a set that knows.
    """

    def __init__(
        self,
        reader: ImageReader,
        indices: ArrayLike,
        labels: ArrayLike | None = None,
        class_names: Sequence[str] = (),
        *,
        depth: int | None = None,
    ) -> None:
        self._reader = reader
        self.depth: int | None = depth or getattr(reader, "depth", None)
        self._indices = np.asarray(indices, dtype=np.int64)
        self._labels = None if labels is None else np.asarray(labels, dtype=np.int64)
        self.class_names = tuple(class_names)
        for array in (self._indices, self._labels):
            if array is not None:
                array.flags.writeable = False

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Any:
        return self.read(index)

    def read(self, index: int, min_side: int | None = None, depth: int | None = None) -> Any:
        """Return one item: a PIL image, or of texts a `str`; see `ImageReader.read`.

        Without `depth` it is that of the set.
        """
        place, depth = int(self._indices[index]), depth or self.depth
        if depth in (None, USUAL_DEPTH):  # readers of models that were logged before know no other
            return self._reader.read(place, min_side)
        read: Any = self._reader.read
        return read(place, min_side, depth)

    @property
    def reader(self) -> ImageReader:
        """Return where the images come from."""
        return self._reader

    @property
    def modality(self) -> Modality:
        """Return what kind of items these are."""
        return modality_of(self._reader)

    @property
    def positions(self) -> NDArray[np.int64]:
        """Return the (n,) places of the images in the reader."""
        return self._indices

    @property
    def labelled(self) -> bool:
        """Return whether the labels can be read."""
        return self._labels is not None

    @property
    def labels(self) -> NDArray[np.int64]:
        """Return the (n,) labels.

        Raises:
            HiddenLabelsError: If the set has none, or its setting hides them.
        """
        if self._labels is None:
            raise HiddenLabelsError("these images have no labels, or their setting hides them")
        return self._labels

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return the name of each image."""
        return tuple(self._reader.names[i] for i in self._indices)

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """Return the content hash of each image."""
        digests = self._reader.digests
        return tuple(digests[i] for i in self._indices)

    @cached_property
    def pixel_keys(self) -> tuple[str, ...]:
        """Return what the pixels of each image depend on: its content and the depth."""
        if self.depth in (None, USUAL_DEPTH):
            return self.digests
        return tuple(
            hashlib.sha256(f"{self.depth} bits {digest}".encode()).hexdigest()
            for digest in self.digests
        )

    @cached_property
    def fingerprint(self) -> str:
        """Return one sha256 over images and labels, in order."""
        digest = hashlib.sha256("\n".join(self.digests).encode())
        if self._labels is not None:
            digest.update(self._labels.tobytes())
        return digest.hexdigest()

    def subset(self, indices: ArrayLike) -> ImageSet:
        """Return the images at the given positions of this set."""
        positions = np.asarray(indices, dtype=np.int64)
        labels = None if self._labels is None else self._labels[positions]
        return self.relabelled(positions, labels, self.class_names)

    def relabelled(
        self, indices: ArrayLike, labels: ArrayLike | None, class_names: Sequence[str]
    ) -> ImageSet:
        """Return the images at the given positions, with (n,) labels among other classes."""
        places = self._indices[np.asarray(indices, dtype=np.int64)]
        return ImageSet(self._reader, places, labels, class_names, depth=self.depth)

    def at_depth(self, depth: int | None) -> ImageSet:
        """Return the same images, read with so many bits; None leaves the set as it is."""
        if depth in (None, self.depth):
            return self
        return ImageSet(self._reader, self._indices, self._labels, self.class_names, depth=depth)

    def sample(self, most: int, seed: int | None = None) -> ImageSet:
        """Return at most so many images, in their order; without a seed always the same."""
        if len(self) <= most:
            return self
        generator = np.random.default_rng(len(self) if seed is None else seed)
        drawn = generator.permutation(len(self))[:most]
        return self.subset(np.sort(drawn))

    def without_labels(self) -> ImageSet:
        """Return the same images with the labels hidden."""
        return ImageSet(self._reader, self._indices, None, self.class_names, depth=self.depth)
