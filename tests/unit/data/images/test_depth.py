"""Values of 8 to 32 bits in files of 16 or 32: how deep they are is a matter of the whole set."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.decoding import decode_image, depth_of
from autotransfer.data.images.preprocessing import Geometry, PixelStore
from autotransfer.data.images.reading import PillowReader
from autotransfer.data.target import open_images, open_target, open_usable
from autotransfer.errors import CorruptImagesError


def png(values: NDArray[Any]) -> bytes:
    """Return a PNG of 16 bits of (h, w[, 3 or 4]) values; Pillow writes no such colours."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    kind = 0 if values.ndim == 2 else {3: 2, 4: 6}[values.shape[2]]
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def tiff(values: NDArray[Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "TIFF", **options)
    return stream.getvalue()


def ramp(largest: int, kind: Any = np.uint16) -> NDArray[Any]:
    """Return (16, 16) values from 0 to the largest."""
    return np.linspace(0, largest, 256).round().astype(kind).reshape(16, 16)


@pytest.fixture
def tell(tmp_path: Path) -> Callable[..., Path]:
    """Write images into two class folders in turn."""

    def write(*contents: bytes, ending: str = "png") -> Path:
        for i, content in enumerate(contents):
            place = tmp_path / "set" / "ab"[i % 2] / f"{i}.{ending}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        return tmp_path / "set"

    return write


@pytest.mark.parametrize(
    ("largest", "depth"),
    [
        *[
            (0, 8),
            (255, 8),
            (256, 10),
            (1023, 10),
            (1024, 12),
            (4095, 12),
            (4096, 14),
            (16383, 14),
        ],
        *[(16384, 16), (65535, 16), (65536, 24), (2**24, 32), (2**31 - 1, 32)],
    ],
)
def test_the_depth_is_the_least_that_holds_the_largest_value(largest: int, depth: int) -> None:
    assert depth_of(largest) == depth


@pytest.mark.parametrize(
    ("largest", "kind", "form"),
    [
        *[
            (255, np.uint16, png),
            (1000, np.uint16, png),
            (4095, np.uint16, png),
            (255, np.int32, tiff),
        ],
        *[(16000, np.int32, tiff), (10**6, np.int32, tiff), (4095, np.uint16, tiff)],
    ],
)
def test_values_are_scaled_by_the_depth_of_the_whole_set_and_it_is_said(
    tell: Callable[..., Path], largest: int, kind: Any, form: Callable[..., bytes]
) -> None:
    bright, dark = ramp(largest, kind), ramp(largest // 8, kind)
    target = open_target(tell(*map(form, [dark, bright, dark + 1, bright // 2])))
    bits = depth_of(largest)
    assert target.train.depth == bits
    assert any(f"{largest:,}: they are read as images of {bits} bits" in n for n in target.notes)
    dark_first = target.train.names.index("a/0.png")
    found = np.asarray(target.train[dark_first])[..., 0]
    np.testing.assert_array_equal(found, dark.astype(np.int64) >> (bits - 8))


@pytest.mark.parametrize("largest", [1000, 4095, 16383])
def test_colours_of_16_bits_are_as_deep_as_their_values(
    tell: Callable[..., Path], largest: int
) -> None:
    colours = np.stack([ramp(largest), ramp(largest)[::-1], ramp(largest // 2)], axis=2)
    target = open_target(
        tell(*[png(np.maximum(colours, i)) for i in range(4)]), minimum_per_class=1
    )
    assert target.train.depth == depth_of(largest)
    np.testing.assert_array_equal(np.asarray(target.train[0]), colours >> (depth_of(largest) - 8))


@pytest.mark.parametrize("largest", [1000, 4095, 16383])
def test_colours_beside_transparency_are_as_deep_as_those_that_are_seen(
    tell: Callable[..., Path], largest: int
) -> None:
    colours = np.stack([ramp(largest)] * 3 + [np.full((16, 16), 65535)], axis=2)
    colours[0], colours[1, :, 3] = (65535, 65535, 65535, 0), 65535 // 2
    target = open_target(tell(png(colours), png(colours)), minimum_per_class=1)
    assert target.train.depth == depth_of(largest)
    found, values = np.asarray(target.train[0]), colours[..., :3] >> (depth_of(largest) - 8)
    assert (found[0] == 255).all()
    np.testing.assert_allclose(found[1], values[1] / 2 + 127.5, atol=1.5)
    np.testing.assert_array_equal(found[2:], values[2:])


def test_true_16_bits_are_read_as_ever_and_need_no_word(tell: Callable[..., Path]) -> None:
    colours = np.stack([ramp(65535)] * 3, axis=2)
    target = open_target(tell(png(ramp(65535)), png(ramp(40000)), png(ramp(900)), png(colours)))
    assert target.notes == ()
    assert target.train.depth == 16
    assert target.train.pixel_keys == target.train.digests
    for i, values in enumerate((ramp(65535), ramp(900))):
        np.testing.assert_array_equal(np.asarray(target.train[i])[..., 0], values >> 8)
    np.testing.assert_array_equal(np.asarray(target.train[3]), colours >> 8)


def test_what_a_file_says_of_its_depth_counts(
    tell: Callable[..., Path], encode: Callable[..., bytes]
) -> None:
    stated = tiff(ramp(900), tiffinfo={281: 4095})
    assert open_target(tell(stated, stated), minimum_per_class=1).train.depth == 12
    grey = b"P5 16 16 1023\n" + ramp(1023).astype(">u2").tobytes()
    found = np.asarray(decode_image(grey, depth=12))[..., 0]  # the file itself says 10 bits
    np.testing.assert_allclose(found, ramp(1023) / 1023 * 255, atol=1)


def test_images_in_memory_and_in_datasets_are_as_deep_as_files(tell: Callable[..., Path]) -> None:
    values = [ramp(4095), ramp(4000)]
    images = [Image.fromarray(v) for v in values]
    for form in (images, [(image, 0) for image in images], [{"image": png(v)} for v in values]):
        found = open_images(form)
        assert found.depth == 12
        np.testing.assert_array_equal(np.asarray(found[1])[..., 0], values[1] >> 4)
        assert len(set(found.digests)) == 2
    dark = open_images([Image.fromarray(ramp(15) + i) for i in range(2)])
    assert len(set(dark.digests)) == 2  # though both are black at 16 bits


def test_the_depth_goes_with_every_part_of_a_set() -> None:
    images = ImageSet(PillowReader([Image.fromarray(ramp(4095))] * 3), range(3), depth=12)
    around = ImageSet(images, [2, 0], [0, 1], ("a", "b"))
    for part in (images.subset([1]), images.without_labels(), around, around.subset([1])):
        assert part.depth == 12
        np.testing.assert_array_equal(np.asarray(part[0])[..., 0], ramp(4095) >> 4)
    deeper = around.at_depth(14)
    np.testing.assert_array_equal(np.asarray(deeper[0])[..., 0], ramp(4095) >> 6)
    assert around.at_depth(None) is around
    assert not set(deeper.pixel_keys) & set(around.pixel_keys)
    store, geometry = PixelStore(1 << 20), Geometry(16, 1.0, "bilinear")
    assert not np.array_equal(store.get(deeper, geometry), store.get(around, geometry))


def test_an_image_that_is_deeper_than_the_model_is_named(tell: Callable[..., Path]) -> None:
    folder = tell(png(ramp(4095)), png(ramp(65535)))
    with pytest.raises(
        CorruptImagesError, match=r"b/1\.png: values up to 65,535, where images of"
    ):
        open_images(folder, depth=12)
    images, usable = open_usable(folder, "skip", depth=12)
    assert (images.names, images.depth, len(usable.left_out)) == (("a/0.png",), 12, 1)
    hot = ramp(4095)
    hot[3, 3] = 60000
    assert np.asarray(decode_image(png(hot), depth=12))[3, 3, 0] == 255


@pytest.mark.parametrize("hot", [4095, 65535])
def test_an_image_that_makes_all_others_darker_is_named(
    tell: Callable[..., Path], hot: int
) -> None:
    values = ramp(1000)
    values[3, 3] = hot
    folder = tell(*[png(ramp(900 + i)) for i in range(3)], png(values))
    for notes in (open_target(folder).notes, open_usable(folder, None)[1].notes):
        (note,) = notes
        assert f"the largest of all is {hot:,}" in note
        assert "only 1 of them need more than 10 bits ('b/3.png')" in note
