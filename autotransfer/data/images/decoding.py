"""From the bytes of a file to an upright RGB image."""

from __future__ import annotations

import io
import math
import os
import struct
import sys
import warnings
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import EpsImagePlugin, Image, ImageChops, ImageOps, UnidentifiedImageError
from PIL.ExifTags import Base
from PIL.TiffImagePlugin import BITSPERSAMPLE

# The formats that are read, by Pillow's names, and how their files are called. Whatever is in the
# bytes, no other format is tried: Pillow starts Ghostscript for EPS, and knows rare formats.
FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "PPM": (".ppm", ".pgm", ".pbm"),
    "HEIF": (".heic", ".heif", ".hif"),
    "AVIF": (".avif",),
}
EXTENSIONS = tuple(extension for known in FORMATS.values() for extension in known)
SMALLEST_SIDE = 4  # pixels
PIXEL_LIMIT = 178_956_970  # Pillow's own hard limit; above the largest phone's full resolution
_MOST_TASKS = 4096  # that wait at a time: each takes a kilobyte or two
MAX_THREADS = 8

_DEEP_GREY = ("I;16", "I;16L", "I;16B", "I;16N", "I")
DEEPEST = "deepest"  # in `info` of an image whose depth its file does not say: its largest value
DEPTHS = (8, 10, 12, 14, 16, 24, 32)  # bits of the sensors and files that there are
_MOST_ABOVE = 0.01  # of the values; a few are hot pixels, more say that the depth is another
_OTHER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_LOW_BYTES = {  # the other order of the bytes gives the low ones
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBX", "RGBA")
    for order, other in _OTHER.items()
}
_LARGEST_VALUE = (281, 341)  # tags of TIFF: MaxSampleValue, SMaxSampleValue
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
    AttributeError,  # an image that was closed
    struct.error,
    zlib.error,
)

pillow_heif.register_heif_opener()
# Pillow warns from half its limit on; here one limit holds, and it is an error (`_refuse_size`).
Image.MAX_IMAGE_PIXELS = PIXEL_LIMIT
warnings.simplefilter("error", Image.DecompressionBombWarning)
EpsImagePlugin.gs_binary = False  # nor where a dataset of another library opens its own files

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


def depth_of(largest: int) -> int:
    """Return how many bits grey values use of which this is the largest of all images."""
    return next(depth for depth in DEPTHS if largest < 2**depth)


def decode_image(
    content: bytes,
    min_side: int | None = None,
    depth: int | None = None,
    most_pixels: int = PIXEL_LIMIT,
) -> Image.Image:
    """Return the image in a file, upright, as RGB.

    Args:
        content: The whole file.
        min_side: Shortest side in pixels that is needed; a JPEG that is larger is decoded at
            1/2, 1/4 or 1/8 of its size where that is enough.
        depth: Bits that a value of 16 or 32 bits uses; None for 16.
        most_pixels: What may be decoded, after that reduction.

    Raises:
        ValueError: If it is no image, damaged, too small or too large; the message is the
            reason alone, for a list of such images.
    """
    image = open_file(content)
    tiles = _low_tiles(image)
    found = usable_rgb(image, min_side, depth, most_pixels)
    return _deep_colour(content, image, found, tiles, depth) if tiles else found


def open_file(content: bytes) -> Image.Image:
    """Return the image in a file before it is decoded, if it has one of the `FORMATS`.

    Raises:
        ValueError: If it is none of them, damaged or too large; the message is the reason alone.
    """
    if not content:
        raise ValueError("empty file")
    Image.init()  # or Pillow does not know all of its own formats
    try:
        return Image.open(io.BytesIO(content), formats=[f for f in FORMATS if f in Image.OPEN])
    except UnidentifiedImageError:
        raise ValueError("not an image, or of an unknown format") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(f"more than {PIXEL_LIMIT:,} pixels, the limit") from None
    except _DAMAGE as error:
        raise ValueError(f"damaged ({error})") from None


def usable_rgb(
    image: Image.Image,
    min_side: int | None = None,
    depth: int | None = None,
    most_pixels: int = PIXEL_LIMIT,
) -> Image.Image:
    """Return an image of any mode, decoded or not, as `upright_rgb` does; see `decode_image`.

    Raises:
        ValueError: If it is damaged, too small or too large; the message is the reason alone.
    """
    _refuse_size(*image.size)
    try:
        if min_side is not None:
            _shrink_while_decoding(image, min_side)
        if image.width * image.height <= most_pixels:
            image.load()
            return upright_rgb(image, depth)
    except _TooDeepError:
        raise
    except _DAMAGE as error:
        raise ValueError(f"damaged ({error})") from None
    raise ValueError(f"{image.width} x {image.height} pixels; {most_pixels:,} in all is the limit")


def upright_rgb(image: Image.Image, depth: int | None = None) -> Image.Image:
    """Return an image turned as its EXIF says, as RGB.

    Transparency is laid on white; deep grey is scaled (by 1/256 from 16 bits), not clipped;
    of an animation, the first frame is taken.

    Args:
        image: An image of any mode.
        depth: Bits that a deep grey value uses, where the file does not say; None for 16.
    """
    stated = _stated_depth(image)
    image = _turned(image)
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode in _DEEP_GREY:
        image = _brought_to_bytes(np.asarray(image), stated, depth)
    elif image.mode == "F":
        image = _from_floats(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.new("RGBA", layer.size, "white")
        image.alpha_composite(layer)
    return image.convert("RGB")


def _stated_depth(image: Image.Image) -> tuple[int | None, int]:
    """Return how many bits the file says that a value uses, if it does, and the largest value."""
    if image.format == "PPM":  # which Pillow has scaled by the largest value that the file states
        return 16, 0
    tags = getattr(image, "tag_v2", {})
    bits = max(_numbers(tags.get(BITSPERSAMPLE)), default=0)
    stated = [value for tag in _LARGEST_VALUE for value in _numbers(tags.get(tag))]
    return bits if 8 < bits < 16 else None, max(stated, default=0)


def _numbers(value: object) -> list[int]:
    values = value if isinstance(value, tuple) else (value,)
    return [int(v) for v in values if isinstance(v, int | float) and 0 <= v < 2**32]


def _brought_to_bytes(
    values: NDArray[Any], stated: tuple[int | None, int], depth: int | None
) -> Image.Image:
    """Return deep values as an image of 8 bits.

    Args:
        values: (h, w) or (h, w, 3) integers.
        stated: What the file says; see `_stated_depth`.
        depth: Bits that a value uses, where the file does not say; None for 16.
    """
    known, largest = stated
    bits = known or depth or 16
    if depth is not None and known is None and (values >= 2**bits).mean() > _MOST_ABOVE:
        raise _TooDeepError(
            f"values up to {values.max():,}, where images of {bits} bits are expected: at most "
            f"{2**bits - 1:,}; scale them as those of the fit were"
        )
    shallow = Image.fromarray(np.clip(values >> max(bits - 8, 0), 0, 255).astype(np.uint8))
    if known is None:
        shallow.info[DEEPEST] = max(int(values.max()), largest)
    return shallow


def _deep_colour(
    content: bytes, high: Image.Image, found: Image.Image, tiles: list[Any], depth: int | None
) -> Image.Image:
    """Return an image of which Pillow gives the high bytes of values of 16 bits, as RGB.

    Args:
        content: The file.
        high: What Pillow gives, with transparency or without.
        found: The same as RGB.
        tiles: How to decode the low bytes.
        depth: As for `decode_image`.
    """
    colours = _visible(high)
    if depth in (None, 16) and colours.max() >= 64:  # above 14 bits the low bytes do not matter
        found.info[DEEPEST] = 256 * int(colours.max()) + 255
        return found
    low = open_file(content)
    low.tile = tiles  # type: ignore[attr-defined]
    usable_rgb(low)  # which decodes it
    high, low = _turned(high), _turned(low)
    values = _visible(high).astype(np.uint16) * np.uint16(256) + np.asarray(low)[..., :3]
    shallow = _brought_to_bytes(values, (None, 0), depth)
    if high.mode == "RGBA":
        shallow.paste("white", mask=ImageChops.invert(high.getchannel("A")))
    return shallow


def _visible(image: Image.Image) -> NDArray[np.uint8]:
    """Return the (h, w, 3) colours of RGB or RGBA, 0 where nothing can be seen of them."""
    pixels = np.asarray(image)
    return pixels if pixels.shape[2] == 3 else pixels[..., :3] * (pixels[..., 3:] > 0)


def _low_tiles(image: Image.Image) -> list[Any]:
    """Return how Pillow decodes the low bytes of RGB of 16 bits; nothing for other images."""
    tiles = getattr(image, "tile", [])
    args = [(tile.args,) if isinstance(tile.args, str) else tile.args for tile in tiles]
    if not all(mode in _LOW_BYTES for mode, *_ in args):
        return []
    low = [(_LOW_BYTES[mode], *rest) for mode, *rest in args]
    return [
        tile._replace(args=new[0] if isinstance(tile.args, str) else new)
        for tile, new in zip(tiles, low, strict=True)
    ]


class _TooDeepError(ValueError):
    """The values of an image need more bits than it is read with."""


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


def _turned(image: Image.Image) -> Image.Image:
    try:
        orientation = int(image.getexif().get(Base.Orientation, 1))
    except _DAMAGE:
        return image  # a damaged EXIF block says nothing about the pixels
    return image if orientation == 1 else ImageOps.exif_transpose(image)


def _from_floats(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise ValueError("floating-point pixels outside [0, 1]")
    return Image.fromarray(np.round(values * 255).astype(np.uint8))
