"""The inputs of the first tuned layer, each item in one of its views."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from autotransfer.plugin import Task, View, networks

CACHED_VIEWS = 4  # of each item, where a frozen prefix makes a view worth keeping


class Batches:
    """What `autotransfer.models.training.train` asks for inputs.

    Behind a frozen prefix each item has a few fixed views, whose activations are computed
    once. Without one there is nothing to keep, and random views are drawn afresh at each step.

    Args:
        task: Gives the items and the cache.
        frozen: Number of frozen stages.
        augmentation: One of those that the items allow; see `modalities`.
    """

    def __init__(self, task: Task, frozen: int, augmentation: str) -> None:
        self._task, self._kind = task, augmentation
        self._afresh = frozen == 0 and augmentation not in ("none", "flip")
        views = [View()]
        if augmentation == "flip":
            views = [View(), View("mirror")]
        elif augmentation != "none" and not self._afresh:
            views = [View(), *(View(augmentation, number) for number in range(CACHED_VIEWS))]
        self._views = [task.features.inputs(task.train, frozen, view=view) for view in views]

    def __call__(self, positions: NDArray[np.int64], generator: np.random.Generator) -> Tensor:
        """Return the (b, ...) inputs of the images at `positions`, in their order."""
        if self._afresh:
            view = View(self._kind, int(generator.integers(1 << 31)))
            return self._task.features.inputs(self._task.train, 0, view=view).batch(positions)
        if len(self._views) == 1:
            return self._views[0].batch(positions)
        return drawn_views(self._views, positions, generator)


def drawn_views(
    views: Sequence[networks.StageInputs],
    positions: NDArray[np.int64],
    generator: np.random.Generator,
) -> Tensor:
    """Return the (b, ...) inputs of items, each in one of its views.

    Texts of another length than the longest are filled up with zeros at the end.
    """
    drawn = generator.integers(len(views), size=len(positions))
    places = [np.flatnonzero(drawn == number) for number in np.unique(drawn)]
    parts = [
        views[number].batch(positions[where])
        for number, where in zip(np.unique(drawn), places, strict=True)
    ]
    return networks.put_together(parts, places)
