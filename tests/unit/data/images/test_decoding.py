from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from torchvision.datasets import ImageFolder

from autotransfer.data.images.decoding import decode_image, in_threads, upright_rgb
from autotransfer.data.target import open_images
from autotransfer.errors import CorruptImagesError

ORIENTATION = 0x0112


def pixels(picture: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(picture)


def test_a_picture_turned_by_its_exif_stands_upright(encode: Callable[..., bytes]) -> None:
    stored = Image.new("RGB", (8, 6), "black")
    stored.paste((255, 0, 0), (0, 0, 8, 2))  # red at the stored top
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # the stored top is the right-hand side
    upright = decode_image(encode(stored, exif=exif))
    assert upright.size == (6, 8)
    assert upright.getpixel((5, 4)) == (255, 0, 0)
    assert upright.getpixel((0, 4)) == (0, 0, 0)


def test_a_turned_jpeg_may_be_shrunk_while_decoding(
    picture: Callable[..., Image.Image], encode: Callable[..., bytes]
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 8
    content = encode(picture(size=(1600, 800)), "JPEG", exif=exif)
    assert decode_image(content, min_side=100).size == (100, 200)


@pytest.mark.parametrize(
    ("min_side", "shorter"), [(None, 1000), (1, 125), (126, 250), (250, 250), (501, 1000)]
)
def test_a_large_jpeg_is_never_shrunk_below_the_side_that_is_needed(
    encode: Callable[..., bytes], min_side: int | None, shorter: int
) -> None:
    content = encode(Image.new("RGB", (3000, 1000), "navy"), "JPEG")
    assert min(decode_image(content, min_side).size) == shorter


def test_a_phone_picture_in_heic_is_read(encode: Callable[..., bytes]) -> None:
    content = encode(Image.new("RGB", (64, 48), (200, 40, 40)), "HEIF", quality=90)
    found = decode_image(content)
    assert (found.mode, found.size) == ("RGB", (64, 48))
    np.testing.assert_allclose(pixels(found)[20, 20], (200, 40, 40), atol=6)


def test_a_turned_heic_is_turned_once(encode: Callable[..., bytes]) -> None:
    stored = Image.new("RGB", (64, 48), "black")
    stored.paste((255, 255, 255), (0, 0, 64, 16))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    upright = decode_image(encode(stored, "HEIF", quality=90, exif=exif.tobytes()))
    assert upright.size == (48, 64)
    assert pixels(upright)[32, 45, 0] > 200
    assert pixels(upright)[32, 2, 0] < 50


def test_sixteen_bits_are_scaled_not_clipped(encode: Callable[..., bytes]) -> None:
    values = np.array([[0, 255, 256, 32768, 65535]] * 4, dtype=np.uint16)
    found = decode_image(encode(Image.fromarray(values)))
    assert pixels(found)[0, :, 1].tolist() == [0, 0, 1, 128, 255]


def test_floats_are_scaled_from_zero_to_one(encode: Callable[..., bytes]) -> None:
    values = np.array([[0, 0.5, 1, 1]] * 4, dtype=np.float32)
    found = decode_image(encode(Image.fromarray(values), "TIFF"))
    assert pixels(found)[0, :, 0].tolist() == [0, 128, 255, 255]


def test_floats_outside_zero_to_one_are_refused(encode: Callable[..., bytes]) -> None:
    content = encode(Image.fromarray(np.full((4, 4), 7, np.float32)), "TIFF")
    with pytest.raises(ValueError, match=r"outside \[0, 1\]"):
        decode_image(content)


def test_transparency_shows_white(encode: Callable[..., bytes]) -> None:
    clear_red = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    half_black = Image.new("LA", (4, 4), (0, 128))
    assert decode_image(encode(clear_red)).getpixel((0, 0)) == (255, 255, 255)
    assert decode_image(encode(half_black)).getpixel((0, 0)) == (127, 127, 127)


def test_a_transparent_colour_of_a_palette_shows_white(encode: Callable[..., bytes]) -> None:
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putpixel((1, 0), 1)
    assert decode_image(encode(palette)).getpixel((0, 0)) == (10, 20, 30)
    found = decode_image(encode(palette, transparency=0))
    assert found.getpixel((0, 0)) == (255, 255, 255)
    assert found.getpixel((1, 0)) == (200, 100, 50)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "HSV", "LAB"])
def test_white_is_white_in_every_mode(mode: str) -> None:
    white = Image.new("RGB", (4, 4), "white")
    if mode == "LAB":
        white = Image.new("LAB", (4, 4), (255, 128, 128))
    found = upright_rgb(white if mode == "LAB" else white.convert(mode))
    assert found.mode == "RGB"
    np.testing.assert_allclose(pixels(found)[1, 1], 255, atol=2)


def test_the_first_frame_of_an_animation_is_taken(encode: Callable[..., bytes]) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    content = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_image(content).getpixel((3, 3)) == (255, 0, 0)


def test_a_damaged_exif_block_does_not_cost_the_picture(encode: Callable[..., bytes]) -> None:
    content = encode(Image.new("RGB", (8, 8)), "JPEG", exif=b"Exif\0\0nonsense")
    assert decode_image(content).size == (8, 8)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty file"), (b"dear diary", "not an image"), (b"\xff\xd8\xff", "not an image")],
)
def test_what_is_no_picture_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode_image(content)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "HEIF", "TIFF"])
def test_a_truncated_picture_is_refused(
    picture: Callable[..., Image.Image], encode: Callable[..., bytes], form: str
) -> None:
    content = encode(picture(size=(640, 480)), form)
    for min_side in (None, 1):
        with pytest.raises(ValueError, match=r"damaged|not an image"):
            decode_image(content[: len(content) * 2 // 3], min_side)


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (50, 3)])
def test_a_picture_too_small_to_see_is_refused(
    encode: Callable[..., bytes], size: tuple[int, int]
) -> None:
    with pytest.raises(ValueError, match=f"{size[0]} x {size[1]} pixels; at least 4 x 4"):
        decode_image(encode(Image.new("L", size)))


@pytest.mark.parametrize("side", [14_000, 20_000])  # above the limit, and above twice the limit
def test_a_decompression_bomb_is_refused_before_it_is_decoded(
    encode: Callable[..., bytes], side: int
) -> None:
    content = encode(Image.new("1", (side, side)))
    assert len(content) < 100_000
    with pytest.raises(ValueError, match="178,956,970"):
        decode_image(content)


def test_threads_keep_the_order_and_hand_on_the_first_error() -> None:
    assert in_threads(lambda x: x * x, range(100)) == [x * x for x in range(100)]
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda x: 1 // (x - 3), range(10))
    assert in_threads(str, []) == []


def test_several_threads_take_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    meeting = threading.Barrier(3, timeout=30)  # passes only if three are there at once
    assert sorted(in_threads(lambda _: meeting.wait(), range(3))) == [0, 1, 2]


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\nshowpage\n%%EOF\n"


def test_no_program_is_started_for_a_file_whoever_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "ant").mkdir()
    place = tmp_path / "ant" / "1.jpg"
    place.write_bytes(EPS)
    forms: list[Any] = [
        [str(place)],
        [{"image": str(place)}],
        [{"image": {"bytes": EPS, "path": None}}],
        [(EPS, 0)],
        [Image.open(io.BytesIO(EPS))],
        ImageFolder(str(tmp_path)),  # opens its files itself
        str(place.parent),
    ]
    for form in forms:
        with pytest.raises(CorruptImagesError, match="1 image"):
            open_images(form)
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("form", ["ICO", "TGA", "PCX", "JPEG2000", "SGI", "DDS"])
def test_a_format_that_is_not_listed_is_refused_whatever_the_name(
    encode: Callable[..., bytes], form: str
) -> None:
    with pytest.raises(ValueError, match="not an image, or of an unknown format"):
        decode_image(encode(Image.new("RGB", (16, 16)), form))
