from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional as reference
from typing_extensions import override

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import (
    Geometry,
    PixelStore,
    Preprocessing,
    decode,
    standardise,
    to_channels,
)
from autotransfer.data.images.reading import ArrayReader, PillowReader
from autotransfer.data.target import open_images
from autotransfer.errors import CorruptImagesError, InvalidOptionError

SMALL = Geometry(input_size=8, crop_pct=1.0, interpolation="bilinear")


def set_of(*pictures: Image.Image) -> ImageSet:
    return ImageSet(PillowReader(pictures), range(len(pictures)))


class Counting(ArrayReader):
    """Counts how often each image is decoded."""

    def __init__(self, n: int) -> None:
        values = np.arange(n, dtype=np.uint8)
        super().__init__(values[:, None, None] * np.ones((1, 8, 8), np.uint8))
        self.decoded: list[int] = []

    @override
    def read(
        self, index: int, min_side: int | None = None, depth: int | None = None
    ) -> Image.Image:
        self.decoded.append(index)
        return super().read(index, min_side, depth)


def test_the_geometry_of_a_preprocessing_has_no_colours() -> None:
    one = Preprocessing(96, mean=(0, 0, 0), interpolation="bicubic", crop_pct=0.875)
    two = Preprocessing(96, mean=(1, 1, 1), interpolation="bicubic", crop_pct=0.875)
    assert Geometry.of(one) == Geometry.of(two) == Geometry(96, 0.875, "bicubic")
    assert len({Geometry.of(one), Geometry.of(two)}) == 1
    assert Geometry.of(one).resized_side == 110  # 96 / 0.875 = 109.7


@pytest.mark.parametrize(
    "values", [(0, 1.0, "bilinear"), (8, 0.0, "bilinear"), (8, 1.2, "bilinear"), (8, 1.0, "cubic")]
)
def test_a_geometry_that_is_none_is_refused(values: tuple[int, float, str]) -> None:
    with pytest.raises(InvalidOptionError):
        Geometry(*values)


@pytest.mark.parametrize("size", [(40, 60), (60, 40), (33, 47), (10, 8), (8, 8)])
@pytest.mark.parametrize("crop_pct", [1.0, 0.9])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_pixels_are_those_of_the_usual_resize_and_centre_crop(
    picture: Callable[..., Image.Image],
    size: tuple[int, int],
    crop_pct: float,
    interpolation: str,
) -> None:
    image = picture(1, size)
    geometry = Geometry(16, crop_pct, interpolation)
    shorter = geometry.resized_side
    width, height = (round(side * shorter / min(size)) for side in size)
    mode = reference.InterpolationMode(interpolation)
    resized = reference.resize(image, [height, width], mode)
    left, top = (width - 16) // 2, (height - 16) // 2
    expected = reference.pil_to_tensor(reference.crop(resized, top, left, 16, 16))
    found = decode(set_of(image), geometry)
    assert found.dtype == torch.uint8
    assert torch.equal(found, expected[None])


def test_the_centre_of_a_picture_is_kept() -> None:
    image = Image.new("RGB", (30, 10), "black")
    image.paste((255, 255, 255), (10, 0, 20, 10))
    assert decode(set_of(image), Geometry(10, 1.0, "bilinear")).min() == 255


def test_a_ribbon_is_not_blown_up_as_a_whole() -> None:
    ribbon = Image.new("RGB", (60_000, 4), "red")  # 3.4 million pixels wide if it were
    pixels = decode(set_of(ribbon), Geometry(224, 1.0, "bilinear"))
    assert pixels.shape == (1, 3, 224, 224)
    assert pixels[0, :, 0, 0].tolist() == [255, 0, 0]


def test_a_ribbon_shows_what_the_usual_way_would_show(picture: Callable[..., Image.Image]) -> None:
    image = picture(2, (240, 6))
    resized = image.resize((240 * 16 // 6, 16), Image.Resampling.BILINEAR)
    left = (resized.width - 16) // 2
    expected = np.asarray(resized.crop((left, 0, left + 16, 16))).transpose(2, 0, 1)
    found = decode(set_of(image), Geometry(16, 1.0, "bilinear"))[0].numpy()
    np.testing.assert_array_equal(found, expected)


def test_tiny_pictures_are_enlarged() -> None:
    image = Image.new("L", (8, 8), 99)
    assert (decode(set_of(image), Geometry(64, 0.9, "bicubic")) == 99).all()


def test_a_large_jpeg_is_decoded_small_and_looks_the_same(
    tmp_path: Path, picture: Callable[..., Image.Image]
) -> None:
    picture(3, (40, 30)).resize((2048, 1536), Image.Resampling.BICUBIC).save(tmp_path / "a.jpg")
    images = open_images(tmp_path / "a.jpg")
    geometry = Geometry(64, 0.9, "bilinear")
    assert images.read(0, 2 * geometry.resized_side).size == (256, 192)
    whole = decode(set_of(images.read(0)), geometry)
    shrunk = decode(images, geometry)
    assert (whole.int() - shrunk.int()).abs().max() <= 6


def test_no_pictures_give_an_empty_batch() -> None:
    nothing = ImageSet(Counting(1), [])
    assert decode(nothing, SMALL).shape == (0, 3, 8, 8)
    assert PixelStore(1000).get(nothing, SMALL).shape == (0, 3, 8, 8)


def test_a_picture_that_went_bad_is_named(grow: Callable[..., Path]) -> None:
    folder = grow({"a": 2})
    images = open_images(folder)
    (folder / "a" / "001.png").write_bytes(b"text")
    with pytest.raises(CorruptImagesError, match=r"a/001\.png"):
        decode(images, SMALL)


def test_pixels_are_standardised_by_channel() -> None:
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3).repeat(2, 3, 1, 1)
    wanted = Preprocessing(8, mean=(0.0, 0.2, 0.5), std=(1.0, 0.5, 0.25))
    found = standardise(pixels, wanted)
    expected = torch.tensor([[0, 0.2, 1], [-0.4, 0, 1.6], [-2, -1.2, 2]])
    assert found.dtype == torch.float32
    torch.testing.assert_close(found[1, :, 0], expected)
    assert pixels[0, 0, 0].tolist() == [0, 51, 255]  # the pixels themselves are untouched


def test_a_picture_is_decoded_once_for_each_size() -> None:
    reader = Counting(6)
    store = PixelStore(1_000_000)
    images = ImageSet(reader, range(6))
    first = store.get(images, SMALL)
    assert first[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert torch.equal(store.get(images.subset([4, 2, 4]), SMALL), first[[4, 2, 4]])
    assert sorted(reader.decoded) == [0, 1, 2, 3, 4, 5]
    store.get(images, Geometry(4, 1.0, "bilinear"))
    assert len(reader.decoded) == 12


def test_the_same_content_is_decoded_once() -> None:
    reader = Counting(3)
    pixels = PixelStore(1_000_000).get(ImageSet(reader, [1, 1, 2, 1]), SMALL)
    assert pixels[:, 0, 0, 0].tolist() == [1, 1, 2, 1]
    assert sorted(reader.decoded) == [1, 2]


def test_the_least_recently_used_pixels_go() -> None:
    reader = Counting(4)
    store = PixelStore(max_bytes=2 * 3 * 8 * 8)  # two images
    images = ImageSet(reader, range(4))
    for position in (0, 1, 0, 2):  # 1 goes
        store.get(images.subset([position]), SMALL)
    assert reader.decoded == [0, 1, 2]
    store.get(images.subset([0, 2]), SMALL)
    assert reader.decoded == [0, 1, 2]
    store.get(images.subset([1]), SMALL)
    assert reader.decoded == [0, 1, 2, 1]


def test_more_pictures_than_fit_are_returned_all_the_same() -> None:
    store = PixelStore(max_bytes=10)
    images = ImageSet(Counting(5), range(5))
    for _ in range(2):
        assert store.get(images, SMALL)[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]


def test_what_is_returned_may_be_changed_without_harm() -> None:
    store = PixelStore(1_000_000)
    images = ImageSet(Counting(3), range(3))
    store.get(images, SMALL).zero_()
    assert store.get(images, SMALL)[:, 0, 0, 0].tolist() == [0, 1, 2]


def test_threads_may_share_a_store() -> None:
    store = PixelStore(max_bytes=7 * 3 * 8 * 8)
    images = ImageSet(Counting(20), range(20))

    def get(seed: int) -> bool:
        chosen = np.random.default_rng(seed).integers(0, 20, 10)
        found = store.get(images.subset(chosen), SMALL)[:, 0, 0, 0]
        return bool(np.array_equal(found, chosen))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(get, range(100)))


def test_other_numbers_of_channels_read_the_mean_or_the_three_in_turn() -> None:
    x = torch.tensor([3.0, 6.0, 9.0]).view(1, 3, 1, 1)
    assert to_channels(x, 3) is x
    assert to_channels(x, 1).flatten().tolist() == [6.0]
    assert to_channels(x, 4).flatten().tolist() == [2.25, 4.5, 6.75, 2.25]
