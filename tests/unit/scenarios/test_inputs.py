"""What a fit starts from."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.reading import PillowReader
from autotransfer.data.target import Target
from autotransfer.plugin.registry import discover
from autotransfer.scenarios.inputs import equally_deep, open_source_images
from autotransfer.scenarios.options import Options
from autotransfer.scenarios.unlabelled.inputs import open_problem


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


def test_only_the_classes_that_are_kept_of_the_source_data_are_learnt() -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 255, (60, 8, 8, 3), dtype=np.uint8)
    labels = [("ant", "bee", "cat")[i % 3] for i in range(60)]
    chosen = Options(source_data=(images, labels), classes=("cat", "ant"), sources="small_cnn")
    beside = open_source_images(chosen)
    assert beside is not None
    assert (beside.class_names, len(beside)) == (("ant", "cat"), 40)
    target = generator.integers(0, 255, (90, 8, 8, 3), dtype=np.uint8)
    problem = open_problem(target, chosen, discover())
    assert problem.class_names == ("ant", "cat")
    assert len(problem.source.learn) + len(problem.source.held_out) == 40
    assert set(problem.source.learn.labels) == {0, 1}
