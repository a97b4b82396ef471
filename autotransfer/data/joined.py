"""Items from two places as one set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.dataset_items import JoinedReader


def joined(
    first: ImageSet, second: ImageSet, labels: NDArray[np.int64], class_names: Sequence[str]
) -> ImageSet:
    """Return the images of one set, then those of another, as one labelled set.

    Args:
        first: (n,) images.
        second: (m,) images.
        labels: (n + m,) classes in [0, K).
        class_names: Names of the K classes.
    """
    reader = JoinedReader((first, second), (*first.names, *second.names))
    depth = first.depth or second.depth
    return ImageSet(reader, np.arange(len(labels)), labels, class_names, depth=depth)
