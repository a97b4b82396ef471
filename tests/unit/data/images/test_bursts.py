"""Frames of a video are known by names and looks; numbered images of any kind are not."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from autotransfer.data.holdout import divide
from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.bursts import burst_share, successors
from autotransfer.data.images.reading import PillowReader
from autotransfer.data.target import Target

CLIPS, FRAMES, SIDE = 4, 12, 48


class _Named(PillowReader):
    """Images under given names."""

    def __init__(self, images: list[Image.Image], names: list[str]) -> None:
        super().__init__(images)
        self.names = tuple(names)


def _clips(step: int) -> ImageSet:
    """Pans over noisy landscapes, by so many pixels from frame to frame; two classes."""
    generator = np.random.default_rng(0)
    images, names, labels = [], [], []
    for clip in range(CLIPS):
        coarse = generator.integers(0, 255, (8, 8 + 4 * CLIPS), dtype=np.uint8)
        scene = Image.fromarray(coarse).resize((40 * SIDE, SIDE), Image.Resampling.BICUBIC)
        for frame in range(FRAMES):
            left = (frame * step) % (39 * SIDE)
            images.append(scene.crop((left, 0, left + SIDE, SIDE)).convert("RGB"))
            names.append(f"clip{clip}/frame_{5 * frame:03}.jpg")
            labels.append(clip % 2)
    return ImageSet(_Named(images, names), range(len(images)), labels, ("a", "b"))


def test_names_follow_each_other_by_their_last_number() -> None:
    names = ("b/1.jpg", "a/img_10.png", "a/img_9.png", "a/img_20.png", "a/other_11.png", "c.jpg")
    assert sorted(map(tuple, successors(names).tolist())) == [(1, 3), (2, 1)]


def test_frames_of_a_slow_pan_are_alike_and_those_of_jumps_are_not() -> None:
    assert burst_share(_clips(step=4)) > 0.8
    assert burst_share(_clips(step=5 * SIDE)) == 0.0


def test_a_few_images_say_nothing() -> None:
    clips = _clips(step=4)
    assert burst_share(clips.subset(range(10))) == 0.0


@pytest.mark.parametrize(("groups", "told"), [(None, True), ("clips", False)])
def test_the_division_tells_of_bursts_unless_groups_are_given(
    groups: str | None, *, told: bool
) -> None:
    images = _clips(step=4)
    named = None if groups is None else tuple(name.split("/")[0] for name in images.names)
    division = divide(Target("t", images, None, None, ("a", "b"), groups=named))
    found = [note for note in division.notes if "--group-column" in note]
    assert bool(found) is told
    if told:
        assert "of the images look almost like the next one by name" in found[0]
