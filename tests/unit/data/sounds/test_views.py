"""Views of sounds: how loud, which part, and what is masked, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autotransfer.data.images.views import PLAIN, View
from autotransfer.data.sounds.views import masked, varied

WAVE = np.linspace(-0.5, 0.5, 101, dtype=np.float32)
DIGEST = "ab" * 32


def test_a_view_hangs_on_sound_and_number_alone() -> None:
    found = varied(WAVE, DIGEST, View("crop", 1))
    assert np.array_equal(found, varied(WAVE, DIGEST, View("crop", 1)))
    assert not np.array_equal(found[:50], varied(WAVE, DIGEST, View("crop", 2))[:50])
    assert not np.array_equal(found[:50], varied(WAVE, "cd" * 32, View("crop", 1))[:50])


def test_other_views_leave_a_sound_as_it_is() -> None:
    for view in (PLAIN, View("mirror"), View("words", 3)):
        assert varied(WAVE, DIGEST, view) is WAVE
    x = torch.rand(1, 2, 9)
    for view in (PLAIN, View("gain"), View("crop")):
        assert masked(x, [DIGEST], view) is x


def test_gain_is_one_factor_of_half_to_twice() -> None:
    factors = []
    for number in range(200):
        found = varied(WAVE, DIGEST, View("gain", number))
        assert len(found) == 101
        factor = found[0] / WAVE[0]
        assert np.allclose(found, factor * WAVE, atol=1e-6)
        factors.append(factor)
    assert 0.501 <= min(factors) < 0.55  # 6 decibels are a factor of 1.995
    assert 1.8 < max(factors) <= 1.996
    assert 0.9 < np.median(factors) < 1.1  # as often louder as softer


def test_a_crop_is_a_part_of_four_fifths_at_least_begun_anywhere() -> None:
    lengths, starts = [], []
    for number in range(200):
        found = varied(WAVE, DIGEST, View("crop", number))
        factor = (found[-1] - found[0]) / (0.01 * (len(found) - 1))
        start = round(float(found[0] / factor + 0.5) * 100)
        assert np.allclose(found, factor * WAVE[start : start + len(found)], atol=1e-5)
        lengths.append(len(found))
        starts.append(start)
    assert 81 <= min(lengths) < 85 < 98 < max(lengths) <= 101
    assert min(starts) == 0
    assert 15 <= max(starts) <= 20


@pytest.mark.parametrize("bands", [1, 20])
def test_masks_are_the_mean_over_a_fifth_of_time_and_of_bands_at_most(bands: int) -> None:
    x = torch.arange(2.0 * (bands + 1) * 60).view(2, bands + 1, 60) / 7
    x[:, -1], x[0, -1, 50:] = 1, 0
    widths, heights = [], []
    for number in range(80):
        found = masked(x, [DIGEST, "cd" * 32], View("masks", number))
        assert torch.equal(found[:, -1], x[:, -1])  # what is there stays there
        assert torch.equal(found[0, :, 50:], x[0, :, 50:])
        own, before = found[0, :-1, :50], x[0, :-1, :50]
        changed = own != before
        assert torch.allclose(own[changed], before.mean().expand_as(own[changed]), rtol=1e-3)
        times, rows = changed.all(0), changed.all(1)
        widths.append(int(times.sum()))
        heights.append(int(rows.sum()))
        assert torch.equal(changed, times[None, :] | rows[:, None])
    assert (min(widths), max(widths)) == (0, 10)
    assert (min(heights), max(heights)) == ((0, 4) if bands > 1 else (0, 0))
