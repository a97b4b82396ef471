"""How far the source pictures of a fit are from its target."""

from __future__ import annotations

import numpy as np

from autotransfer.errors import UndefinedScoreError
from autotransfer.models.source import Source
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.transferability.distances.proxy_a import proxy_a_distance
from autotransfer.transferability.distances.samples import Samples

MOST = 500  # pictures of each set


def source_distance(context: LabelledContext, source: Source, seed: int) -> float | None:
    """Return the cross-fitted proxy A-distance in [0, 2], on the last stage of a source.

    Args:
        context: Holds the target's open pictures and, where there are some, the source pictures.
        source: The network that looks at both.
        seed: Chooses the pictures, at most `MOST` of each set.

    Returns:
        None where there are no source pictures, or too few of either set.
    """
    if context.source_images is None:
        return None
    rng = np.random.default_rng(seed)
    sets = [
        images.subset(rng.permutation(len(images))[:MOST])
        for images in (context.source_images, context.images)
    ]
    samples = Samples.of(*map(context.readers[source], sets))
    try:
        return proxy_a_distance(samples)
    except UndefinedScoreError:
        return None
