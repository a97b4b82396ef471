"""Two items put together as one."""

from __future__ import annotations

import numpy as np
import pytest

from autotransfer.data.blending import blended
from autotransfer.data.target import open_images
from autotransfer.data.texts.blending import MOST_WORDS, blended_text

PAIRS = np.array([[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("first", "second", "share", "both"),
    [
        ("a b c d", "1 2 3 4 5", 0.5, "a b c d 1 2 3 4"),
        ("a b c d", "1 2 3 4 5", 0.8, "a b c d 1"),  # 4 of 5 words are of the first
        ("a b c d", "1 2", 0.5, "a b c d 1 2"),  # the second one is short
        ("a", "1 2", 0.9, "a 1"),  # one word of it at least
    ],
)
def test_a_blend_of_texts_has_the_first_and_as_much_of_the_second_as_its_share_leaves(
    first: str, second: str, share: float, both: str
) -> None:
    assert blended_text(first, second, share) == both


def test_of_a_long_text_its_beginning_is_blended() -> None:
    words = blended_text("a " * 500, "b " * 500, 0.5).split()
    assert words == ["a"] * MOST_WORDS + ["b"] * MOST_WORDS


def test_texts_are_blended_pair_by_pair_and_images_pixel_by_pixel() -> None:
    found = blended(open_images(["x y", "u v"]), PAIRS, 0.5)
    assert found is not None
    assert [found.read(i) for i in range(2)] == ["x y u v", "u v x y"]
    grey = open_images([np.full((4, 4, 3), v, np.uint8) for v in (0, 200)])
    mixed = blended(grey, PAIRS, 0.75)
    assert mixed is not None
    assert [int(np.asarray(mixed.read(i))[0, 0, 0]) for i in range(2)] == [50, 150]
