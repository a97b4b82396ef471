"""Images of classes that a source's head knows, matched by the names of the classes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import open_images, open_target
from autotransfer.errors import CorruptImagesError, InvalidTargetError

_PREFIX = re.compile(r"^(\d+_)?(n\d{8}_?)?")  # a number or a WordNet id before the name proper


def open_classes(place: str) -> ImageSet:
    """Return labelled images; one of a class is enough.

    What is not laid out as a target is taken all the same, where its images lie in folders:
    the folder of an image is its class.

    Args:
        place: A path or URL.

    Raises:
        InvalidTargetError: If there are no images, or none with a class.
    """
    try:
        images = open_target(place, minimum_per_class=1, on_bad_image=None).train
    except CorruptImagesError:
        raise
    except InvalidTargetError:
        images = _by_folder(open_images(place))
        if len(images.class_names) < 2:
            raise
    if not images.labelled:
        raise InvalidTargetError(f"{place}: the images need labels, one folder for each class")
    return images


def known_images(
    images: ImageSet, class_names: Sequence[str], *, most: int
) -> tuple[ImageSet, NDArray[np.int64]]:
    """Return the images whose class the head knows, and the head's column of each class.

    Names match without regard to case, underscores, a leading number or WordNet id, and a
    plural s; a name with commas matches by each of its parts.

    Args:
        images: Labelled images of K classes.
        class_names: Names of the head's classes, in its order.
        most: Images to keep; of more, a fixed sample is drawn.

    Returns:
        The images, and (K,) columns; -1 for a class that the head does not know.
    """
    columns = columns_of(images.class_names, class_names)
    positions = np.flatnonzero(columns[images.labels] >= 0)
    if len(positions) > most:
        positions = np.sort(np.random.default_rng(0).permutation(positions)[:most])
    return images.subset(positions), columns


def columns_of(names: Sequence[str], class_names: Sequence[str]) -> NDArray[np.int64]:
    """Return the (K,) columns of a head with these class names; -1 for what it does not know."""
    column = {
        synonym: i
        for i, name in reversed(list(enumerate(class_names)))
        for synonym in _synonyms(name)
    }
    found = [
        next((column[word] for word in _synonyms(name) if word in column), -1) for name in names
    ]
    return np.array(found, dtype=np.int64)


def _by_folder(images: ImageSet) -> ImageSet:
    folders = [PurePosixPath(name).parent.name for name in images.names]
    if not all(folders):
        return images
    names, labels = np.unique(folders, return_inverse=True)
    return ImageSet(images, np.arange(len(images)), labels, names.tolist())


def _synonyms(name: str) -> list[str]:
    """Return the comparable spellings of a class name, the whole name first."""
    words = [name, *name.split(",")]
    plain = [re.sub(r"[\W_]+", " ", _PREFIX.sub("", w.strip())).strip() for w in words]
    lower = [word.lower() for word in plain if word]
    return [*lower, *(word.removesuffix("s") for word in lower)]
