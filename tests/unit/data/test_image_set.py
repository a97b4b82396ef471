from __future__ import annotations

import numpy as np
import pytest

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.reading import ArrayReader
from autotransfer.errors import HiddenLabelsError


@pytest.fixture
def images() -> ImageSet:
    values = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 5), np.uint8)
    return ImageSet(ArrayReader(values), [5, 3, 1], [1, 0, 1], ("no", "yes"))


def test_a_set_shows_its_own_pictures_in_its_own_order(images: ImageSet) -> None:
    assert len(images) == 3
    assert [np.asarray(images[i])[0, 0, 0] for i in range(3)] == [5, 3, 1]
    assert images.names == ("5", "3", "1")
    assert images[0].size == (5, 4)


def test_a_subset_is_counted_within_the_set(images: ImageSet) -> None:
    part = images.subset([2, 0])
    assert part.names == ("1", "5")
    assert part.labels.tolist() == [1, 1]
    assert part.class_names == ("no", "yes")
    assert part.digests == (images.digests[2], images.digests[0])


def test_hidden_labels_cannot_be_read(images: ImageSet) -> None:
    hidden = images.without_labels()
    assert images.labelled
    assert not hidden.labelled
    assert not hidden.subset([0]).labelled
    with pytest.raises(HiddenLabelsError):
        _ = hidden.labels


def test_labels_cannot_be_changed(images: ImageSet) -> None:
    with pytest.raises(ValueError, match="read-only"):
        images.labels[0] = 7


def test_the_fingerprint_knows_pictures_order_and_labels(images: ImageSet) -> None:
    assert images.subset([0, 1, 2]).fingerprint == images.fingerprint
    others = [images.subset([1, 0, 2]), images.without_labels(), images.subset([0, 1])]
    assert len({other.fingerprint for other in others} | {images.fingerprint}) == 4


def test_a_sample_is_in_the_order_of_the_set_and_the_same_every_time(images: ImageSet) -> None:
    assert images.sample(3) is images
    for seed in (None, 0, 1):
        drawn = images.sample(2, seed)
        assert drawn.names in (("5", "3"), ("5", "1"), ("3", "1"))
        assert drawn.names == images.sample(2, seed).names
    assert len({images.sample(2, seed).names for seed in range(20)}) == 3
