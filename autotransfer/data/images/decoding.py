"""From the bytes of a file to an upright RGB image."""

from __future__ import annotations

import io
import math
import os
import struct
import warnings
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import pillow_heif
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ExifTags import Base

SMALLEST_SIDE = 4  # pixels
PIXEL_LIMIT = 178_956_970  # Pillow's own hard limit; above the largest phone's full resolution
_MOST_TASKS = 4096  # that wait at a time: each takes a kilobyte or two
MAX_THREADS = 8

_DEEP_GREY = ("I;16", "I;16L", "I;16B", "I;16N", "I")
# What Pillow and its codecs are known to raise for a file that is not as its format says.
_DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)

pillow_heif.register_heif_opener()
# Pillow warns from half its limit on; here one limit holds, and it is an error (`_refuse_size`).
Image.MAX_IMAGE_PIXELS = PIXEL_LIMIT
warnings.simplefilter("error", Image.DecompressionBombWarning)

A = TypeVar("A")
B = TypeVar("B")


def in_threads(function: Callable[[A], B], items: Sequence[A]) -> list[B]:
    """Return the function of each item, in order, computed by a few threads.

    Decoding and resizing release the interpreter lock. An exception or an interrupt drops what
    has not begun.
    """
    workers = min(os.cpu_count() or 1, MAX_THREADS, len(items))
    if workers < 2:
        return [function(item) for item in items]
    pool = ThreadPoolExecutor(workers)
    size = math.ceil(len(items) / _MOST_TASKS)

    def block(start: int) -> list[B]:
        return [function(item) for item in items[start : start + size]]

    try:
        found = pool.map(block, range(0, len(items), size))
        return [answer for answers in found for answer in answers]
    finally:
        pool.shutdown(cancel_futures=True)


def decode_image(
    content: bytes, min_side: int | None = None, most_pixels: int = PIXEL_LIMIT
) -> Image.Image:
    """Return the image in a file, upright, as RGB.

    Args:
        content: The whole file.
        min_side: Shortest side in pixels that is needed; a JPEG that is larger is decoded at
            1/2, 1/4 or 1/8 of its size where that is enough.
        most_pixels: What may be decoded, after that reduction.

    Raises:
        ValueError: If it is no image, damaged, too small or too large; the message is the
            reason alone, for a list of such images.
    """
    if not content:
        raise ValueError("empty file")
    try:
        image = Image.open(io.BytesIO(content))
    except UnidentifiedImageError:
        raise ValueError("not an image, or of an unknown format") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(f"more than {PIXEL_LIMIT:,} pixels, the limit") from None
    except _DAMAGE as error:
        raise ValueError(f"damaged ({error})") from None
    _refuse_size(*image.size)
    try:
        if min_side is not None:
            _shrink_while_decoding(image, min_side)
        if image.width * image.height <= most_pixels:
            image.load()
            return upright_rgb(image)
    except _DAMAGE as error:
        raise ValueError(f"damaged ({error})") from None
    raise ValueError(f"{image.width} x {image.height} pixels; {most_pixels:,} in all is the limit")


def upright_rgb(image: Image.Image) -> Image.Image:
    """Return an image turned as its EXIF says, as RGB.

    Transparency is laid on white; deep grey is scaled (by 1/256 from 16 bits), not clipped;
    of an animation, the first frame is taken.
    """
    if _orientation(image) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode in _DEEP_GREY:
        values = np.asarray(image).astype(np.int64)
        image = Image.fromarray(np.clip(values >> 8, 0, 255).astype(np.uint8))
    elif image.mode == "F":
        image = _from_floats(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.new("RGBA", layer.size, "white")
        image.alpha_composite(layer)
    return image.convert("RGB")


def _refuse_size(width: int, height: int) -> None:
    if min(width, height) < SMALLEST_SIDE:
        raise ValueError(
            f"{width} x {height} pixels; at least {SMALLEST_SIDE} x {SMALLEST_SIDE} are needed"
        )
    if width * height > PIXEL_LIMIT:
        raise ValueError(f"{width} x {height} pixels; {PIXEL_LIMIT:,} in all is the limit")


def _shrink_while_decoding(image: Image.Image, min_side: int) -> None:
    """Let the JPEG decoder skip detail; an image of another format stays as it is."""
    shorter = min(image.size)
    if shorter >= 2 * min_side:
        width, height = (max(-(-side * min_side // shorter), 1) for side in image.size)
        image.draft(None, (width, height))


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(Base.Orientation, 1))
    except _DAMAGE:
        return 1  # a damaged EXIF block says nothing about the pixels


def _from_floats(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise ValueError("floating-point pixels outside [0, 1]")
    return Image.fromarray(np.round(values * 255).astype(np.uint8))
