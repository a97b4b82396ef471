"""Readers: pictures from any fsspec file system, and from arrays."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from typing import Any, TypeVar

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, ImageOps

from autotransfer.errors import InvalidTargetError

EXTENSIONS = frozenset(
    ".jpg .jpeg .jpe .png .bmp .gif .tif .tiff .webp .ppm .pgm .pbm .heic .heif .avif".split()
)
SMALLEST_SIDE = 4
MAX_PIXELS = 100_000_000  # of one picture; more is refused as a decompression bomb
MAX_FILE_BYTES = 256 << 20

T = TypeVar("T")


def in_threads(function: Callable[[int], T], n: int) -> list[T]:
    """Return function(0..n-1), in order, computed by a few threads."""
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        return list(pool.map(function, range(n)))


class FileReader:
    """Pictures in files of an fsspec file system.

    Args:
        filesystem: Any fsspec file system: local, inside an archive, remote.
        paths: Path of each picture in the file system.
        names: Path of each picture below the target.
    """

    def __init__(self, filesystem: Any, paths: Sequence[str], names: Sequence[str]) -> None:
        _register_heif()
        self._filesystem = filesystem
        self._paths = tuple(paths)
        self.names = tuple(names)
        self._lock = threading.Lock()
        self._local = "file" in _protocols(filesystem)

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """Return the sha256 of each file, read once."""
        return tuple(in_threads(self._digest, len(self._paths)))

    def read(self, index: int, min_side: int | None = None) -> Image.Image:
        """Return one picture, upright, as RGB; see `ImageReader.read`.

        Raises:
            ValueError: If the file is not a picture that can be used.
        """
        return decode_file(self._bytes(index), min_side)

    def _digest(self, index: int) -> str:
        return hashlib.sha256(self._bytes(index)).hexdigest()

    def _bytes(self, index: int) -> bytes:
        path = self._paths[index]
        if self._local:
            with open(path, "rb") as file:  # noqa: PTH123 - a path of the file system
                return file.read(MAX_FILE_BYTES)
        with self._lock:  # archives share one position in one file
            with self._filesystem.open(path, "rb") as file:
                content: bytes = file.read(MAX_FILE_BYTES)
        return content


class ArrayReader:
    """Pictures in an array.

    Args:
        pixels: (n, h, w), (n, h, w, 1), (n, h, w, 3) or (n, h, w, 4); uint8, or floats in [0, 1].
    """

    def __init__(self, pixels: NDArray[Any]) -> None:
        self._pixels = _as_uint8(pixels)
        self.names = tuple(str(i) for i in range(len(self._pixels)))

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """Return the sha256 of the shape and the pixels of each picture."""
        shape = str(self._pixels.shape[1:]).encode()
        return tuple(
            hashlib.sha256(shape + np.ascontiguousarray(row).tobytes()).hexdigest()
            for row in self._pixels
        )

    def read(self, index: int, min_side: int | None = None) -> Image.Image:
        """Return one picture as RGB; see `ImageReader.read`."""
        return _as_rgb(Image.fromarray(self._pixels[index]))


class PictureReader:
    """Pictures that are already decoded, as PIL images."""

    def __init__(self, pictures: Sequence[Image.Image]) -> None:
        self._pictures = [_as_rgb(ImageOps.exif_transpose(picture)) for picture in pictures]
        self.names = tuple(str(i) for i in range(len(self._pictures)))

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """Return the sha256 of the size and the pixels of each picture."""
        return tuple(
            hashlib.sha256(str(picture.size).encode() + picture.tobytes()).hexdigest()
            for picture in self._pictures
        )

    def read(self, index: int, min_side: int | None = None) -> Image.Image:
        """Return one picture as RGB; see `ImageReader.read`."""
        return self._pictures[index]


def decode_file(content: bytes, min_side: int | None = None) -> Image.Image:
    """Return the picture in a file, upright, as RGB.

    Args:
        content: The file.
        min_side: Shortest side in pixels that is needed; a large JPEG is decoded at a fraction
            of its size where that is enough.

    Raises:
        ValueError: If it is not a picture, is damaged, too small or too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged EXIF and the like: the pixels decide
            picture = Image.open(io.BytesIO(content))
            _check_size(*picture.size)
            if min_side is not None and picture.format == "JPEG":
                picture.draft("RGB", (min_side, min_side))
            picture.load()
            upright = ImageOps.exif_transpose(picture)
            return _as_rgb(upright)
    except Image.UnidentifiedImageError:
        raise ValueError("not a picture") from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"too many pixels ({error})") from None
    except (OSError, SyntaxError, EOFError, IndexError, TypeError, MemoryError) as error:
        raise ValueError(f"damaged ({error})") from None


def _check_size(width: int, height: int) -> None:
    if min(width, height) < SMALLEST_SIDE:
        raise ValueError(
            f"{width} x {height} pixels; at least {SMALLEST_SIDE} x {SMALLEST_SIDE} are needed"
        )
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width} x {height} pixels; at most {MAX_PIXELS:,} in all are read")


def _as_rgb(picture: Image.Image) -> Image.Image:
    """Return RGB: transparency on white, sixteen bits scaled to eight."""
    if picture.mode in ("I;16", "I;16B", "I;16L", "I;16N", "I", "F"):
        values = np.asarray(picture, dtype=np.float64)
        if values.max(initial=0) > 255:
            values = values / 256
        picture = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        picture = Image.new("RGBA", layer.size, "white")
        picture.alpha_composite(layer)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _as_uint8(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    array = np.asarray(pixels)
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[-1] not in (1, 3, 4)):
        raise InvalidTargetError(
            f"an array of pictures must be (n, h, w), (n, h, w, 1), (n, h, w, 3) or "
            f"(n, h, w, 4), got {array.shape}"
        )
    if min(array.shape[1:3]) < SMALLEST_SIDE:
        raise InvalidTargetError(
            f"pictures of {array.shape[1]} x {array.shape[2]} pixels; at least "
            f"{SMALLEST_SIDE} x {SMALLEST_SIDE} are needed"
        )
    if array.ndim == 4 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise InvalidTargetError(f"pixels must be uint8 or floats in [0, 1], got {array.dtype}")
    if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
        raise InvalidTargetError("pixels given as floats must lie in [0, 1]")
    return np.round(array * 255).astype(np.uint8)


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


@cache
def _register_heif() -> None:
    pillow_heif.register_heif_opener()
    Image.MAX_IMAGE_PIXELS = None  # `_check_size` refuses before a pixel is decoded
