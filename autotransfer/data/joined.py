"""Items from two places as one set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.modality import Modality


@dataclass(frozen=True)
class _Both:
    """Reads one set after another."""

    parts: tuple[ImageSet, ...]

    @cached_property
    def names(self) -> Sequence[str]:
        return [name for part in self.parts for name in part.names]

    @cached_property
    def digests(self) -> Sequence[str]:
        return [digest for part in self.parts for digest in part.digests]

    @property
    def modality(self) -> Modality:
        return self.parts[0].modality

    def read(self, index: int, min_side: int | None = None, depth: int | None = None) -> Any:
        for part in self.parts:
            if index < len(part):
                return part.read(index, min_side, depth)
            index -= len(part)
        raise IndexError(index)


def joined(
    first: ImageSet,
    second: ImageSet,
    labels: NDArray[np.int64],
    class_names: Sequence[str],
) -> ImageSet:
    """Return the images of one set, then those of another, as one labelled set.

    Args:
        first: (n,) images.
        second: (m,) images.
        labels: (n + m,) classes in [0, K).
        class_names: Names of the K classes.
    """
    reader, depth = _Both((first, second)), first.depth or second.depth
    return ImageSet(reader, np.arange(len(labels)), labels, class_names, depth=depth)
