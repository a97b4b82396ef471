"""Two items put together as one."""

from __future__ import annotations

import numpy as np
import pytest

from autotransfer.data.blending import blended
from autotransfer.data.modality import Modality
from autotransfer.data.sounds.blending import blended_sound
from autotransfer.data.sounds.decoding import Sound
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


def test_two_sounds_are_heard_at_once_the_second_as_loud_as_the_first_and_no_longer() -> None:
    first = Sound(np.array([0.4, -0.4, 0.4, -0.4], np.float32), 8000)
    loud = Sound(np.array([0.8, 0.8], np.float32), 8000)
    samples, rate = blended_sound(first, loud, 0.75)
    assert rate == 8000
    np.testing.assert_allclose(samples, [0.4, -0.2, 0.3, -0.3], atol=1e-6)
    longer = Sound(np.full(9, 0.1, np.float32), 8000)
    np.testing.assert_allclose(blended_sound(first, longer, 0.5)[0], [0.4, 0, 0.4, 0], atol=1e-6)


def test_a_sound_of_another_rate_is_brought_to_that_of_the_first() -> None:
    t = np.arange(800)
    low = Sound(np.sin(2 * np.pi * 200 * t / 8000).astype(np.float32), 8000)
    high = Sound(np.sin(2 * np.pi * 200 * np.arange(1600) / 16_000).astype(np.float32), 16_000)
    samples, _ = blended_sound(low, high, 0.5)
    np.testing.assert_allclose(samples[50:-50], low.samples[50:-50], atol=0.02)


def test_sounds_are_blended_pair_by_pair() -> None:
    waves = [np.linspace(0.1, level, 400, dtype=np.float32) for level in (0.2, 0.9)]
    given = open_images([(wave, 8000) for wave in waves], modality=Modality.SOUND)
    found = blended(given, PAIRS, 0.6)
    assert found is not None
    assert (found.modality, len(found)) == (Modality.SOUND, 2)
    louder = np.sqrt(np.mean(waves[0] ** 2) / np.mean(waves[1] ** 2))
    np.testing.assert_allclose(
        found.read(0).samples, 0.6 * waves[0] + 0.4 * louder * waves[1], atol=1e-5
    )
