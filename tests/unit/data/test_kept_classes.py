from __future__ import annotations

import numpy as np
import pytest

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.reading import ArrayReader
from autotransfer.data.kept_classes import with_classes
from autotransfer.errors import InvalidOptionError


@pytest.fixture
def images() -> ImageSet:
    values = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 5), np.uint8)
    return ImageSet(ArrayReader(values), range(6), [2, 0, 1, 2, 0, 2], ("ant", "bee", "cat"))


def test_only_images_of_the_named_classes_are_kept_and_labelled_anew(images: ImageSet) -> None:
    kept = with_classes(images, ["cat", "ant", "cat"])
    assert kept.class_names == ("ant", "cat")
    assert kept.names == ("0", "1", "3", "4", "5")
    assert kept.labels.tolist() == [1, 0, 1, 0, 1]


def test_no_name_keeps_all_classes(images: ImageSet) -> None:
    assert with_classes(images, ()) is images


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["ant", "dog"], "--class dog: the source data has no such class; it has ant, bee, cat"),
        (["bee"], "--class bee: one class alone"),
        ([""], "--class : the source data has no such class; it has ant, bee, cat"),
    ],
)
def test_a_class_that_is_not_there_or_stands_alone_is_refused(
    images: ImageSet, names: list[str], said: str
) -> None:
    with pytest.raises(InvalidOptionError, match=said):
        with_classes(images, names)
