from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import Geometry, decode
from autotransfer.data.images.reading import ArrayReader
from autotransfer.errors import InvalidOptionError
from autotransfer.selection.export.resizing import ResizeAndCrop

FILTERS = ["nearest", "bilinear", "bicubic", "lanczos"]


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (1, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("interpolation", FILTERS)
@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(4, 90),
    width=st.integers(4, 90),
    side=st.integers(4, 48),
    crop=st.sampled_from([0.8, 0.875, 0.95, 1.0]),
)
def test_the_pixels_are_those_of_pillow_to_the_bit(
    interpolation: str, height: int, width: int, side: int, crop: float
) -> None:
    assume(height <= 2 * width)  # of higher ones Pillow may take the columns first
    geometry = Geometry(side, crop, interpolation)
    batch = noise(height, width)
    expected = decode(ImageSet(ArrayReader(batch), [0]), geometry)
    found = ResizeAndCrop(geometry)(torch.from_numpy(batch))
    assert torch.equal(found, expected.float())


@pytest.mark.parametrize("interpolation", FILTERS)
def test_of_a_very_long_picture_the_centre_is_used(interpolation: str) -> None:
    geometry = Geometry(16, 0.875, interpolation)
    batch = noise(7, 301)
    expected = decode(ImageSet(ArrayReader(batch), [0]), geometry)
    assert torch.equal(ResizeAndCrop(geometry)(torch.from_numpy(batch)), expected.float())


@pytest.mark.parametrize("interpolation", FILTERS)
def test_of_a_high_picture_pixels_differ_by_no_more_than_rounding(interpolation: str) -> None:
    geometry = Geometry(14, 0.8, interpolation)
    ramp = np.linspace(0, 255, 56)[:, None] + np.linspace(0, 40, 22)
    batch = np.repeat(np.clip(ramp, 0, 255).astype(np.uint8)[None, ..., None], 3, axis=-1)
    expected = decode(ImageSet(ArrayReader(batch), [0]), geometry)
    found = ResizeAndCrop(geometry)(torch.from_numpy(batch))
    assert (found - expected.float()).abs().max() <= 1


def test_a_picture_of_the_right_size_stays_as_it_is() -> None:
    batch = noise(32, 32)
    found = ResizeAndCrop(Geometry(32, 1.0, "bicubic"))(torch.from_numpy(batch))
    assert np.array_equal(found[0].permute(1, 2, 0).numpy(), batch[0])


def test_halving_an_even_picture_without_overlap_is_known_by_hand() -> None:
    row = np.array([[0, 100, 200, 100]], dtype=np.uint8).repeat(4, axis=0)
    batch = np.repeat(row[None, ..., None], 3, axis=-1)
    found = ResizeAndCrop(Geometry(2, 1.0, "bilinear"))(torch.from_numpy(batch))[0, 0]
    # weights 1/8, 3/8, 3/8, 1/8 about the new centres, renormalised at the border to 3, 3, 1 of 7:
    # (3 * 0 + 3 * 100 + 1 * 200) / 7 = 71.4 and (1 * 100 + 3 * 200 + 3 * 100) / 7 = 142.9
    assert found.tolist() == [[71.0, 143.0], [71.0, 143.0]]
    pillow = Image.fromarray(batch[0]).resize((2, 2), Image.Resampling.BILINEAR)
    assert np.asarray(pillow)[0, :, 0].tolist() == [71, 143]


def test_an_unknown_filter_is_refused() -> None:
    geometry = Geometry(8, 1.0, "bilinear")
    object.__setattr__(geometry, "interpolation", "hamming")
    with pytest.raises(InvalidOptionError, match="hamming"):
        ResizeAndCrop(geometry)
