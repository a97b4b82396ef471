"""What a fit starts from."""

from __future__ import annotations

import pytest
from PIL import Image

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.reading import PillowReader
from autotransfer.data.target import Target
from autotransfer.scenarios.inputs import equally_deep
from autotransfer.scenarios.options import Options


def _images(depth: int | None) -> ImageSet:
    return ImageSet(PillowReader([Image.new("I;16", (8, 8))] * 2), [0, 1], depth=depth)


@pytest.mark.parametrize(
    ("own", "further", "both"),
    [(10, 12, (12, 12)), (12, 10, (12, 12)), (10, 10, (10, 10)), (10, None, (10, None))],
)
def test_a_target_and_further_images_of_it_are_read_with_the_same_bits(
    own: int, further: int | None, both: tuple[int, int | None]
) -> None:
    said: list[str] = []
    target = Target("t", _images(own), _images(own), None, ("a", "b"))
    found, more = equally_deep(target, _images(further), Options(say=said.append))
    assert more is not None
    assert found.validation is not None
    assert (found.train.depth, more.depth) == both
    assert found.validation.depth == both[0]
    assert found.notes == tuple(said)
    assert bool(said) == (own != further and further is not None)
