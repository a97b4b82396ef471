"""Labelled source, few labelled and many unlabelled target images, drawn side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotransfer.plugin import ImageSet, Task, View, errors, networks
from autotransfer_fine_tune.modalities import terms_of

STRONG_VIEWS = 4  # of each unlabelled image; each is computed once behind the frozen stages


@dataclass(frozen=True)
class ThreeSets:
    """The inputs of the layers that learn, from every set.

    Args:
        source: Inputs of the labelled source images.
        source_labels: (n_s,) their classes among the target's.
        labelled: Inputs of the labelled target images.
        labels: (n_l,) their classes.
        plain: Inputs of the unlabelled target images.
        strong: The same, strongly changed in several ways.
    """

    source: networks.StageInputs
    source_labels: NDArray[np.int64]
    labelled: networks.StageInputs
    labels: NDArray[np.int64]
    plain: networks.StageInputs
    strong: tuple[networks.StageInputs, ...]

    @classmethod
    def of(cls, task: Task, source: ImageSet, frozen: int, num_strong: int) -> ThreeSets:
        """Return the sets of a task behind so many frozen stages, with so many strong views."""
        images, changed = task.needed_unlabelled("mme"), terms_of(task.source).strong
        read = task.features.inputs
        strong = tuple(
            read(images, frozen, view=View(changed, number)) for number in range(num_strong)
        )
        return cls(
            read(source, frozen),
            labels_as_of(task.class_names, source),
            read(task.train, frozen),
            task.train.labels,
            read(images, frozen),
            strong,
        )


def shared_source(task: Task) -> ImageSet:
    """Return the source images of those classes that the target has.

    Raises:
        InvalidOptionError: If there are no source images, or no class is shared.
    """
    images = task.needed_source_images("mme")
    names = np.array(images.class_names)[images.labels]
    kept = np.flatnonzero(np.isin(names, task.class_names))
    if not len(kept):
        raise errors.InvalidOptionError(
            f"mme needs source images of the target's classes; the source has "
            f"{', '.join(images.class_names[:5])}, the target {', '.join(task.class_names[:5])}"
        )
    return images.subset(kept)


def labels_as_of(class_names: tuple[str, ...], images: ImageSet) -> NDArray[np.int64]:
    """Return (n,) the labels of images as places among the classes; -1 for others."""
    place = [class_names.index(name) if name in class_names else -1 for name in images.class_names]
    return np.array(place, dtype=np.int64)[images.labels]
