"""Readers: images in files of any fsspec file system, in arrays, or as PIL images."""

from __future__ import annotations

import hashlib
import lzma
import os
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, overload

import numpy as np
from fsspec.archive import AbstractArchiveFileSystem
from fsspec.implementations.local import LocalFileSystem
from numpy.typing import NDArray
from PIL import Image
from typing_extensions import override

from autotransfer.data.images.decoding import (
    DEEPEST,
    SMALLEST_SIDE,
    decode_image,
    upright_rgb,
    usable_rgb,
)
from autotransfer.data.listing import readable, shortened
from autotransfer.data.storage import special_file
from autotransfer.errors import CorruptImagesError, InvalidTargetError

MAX_FILE_BYTES = 512 << 20  # of one image's file; an archive may promise more than it should

# RuntimeError: a member that needs a password, or a loop of links; KeyError: a link to nothing;
# ValueError: a path with a null character, or a file above the limit
_UNREADABLE = (
    *(OSError, EOFError, RuntimeError, KeyError, ValueError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, tarfile.TarError),
)


class Digests(Sequence[str]):
    """The digests of a reader, each found when it is asked for; see `ImageReader.digests`.

    So an image that cannot be read stops nobody who has left it out.

    Args:
        n: How many there are.
        look: Reads the item at a position and puts its digest into `known`.

    Attributes:
        known: Those of items that were read, by position.
    """

    def __init__(self, n: int, look: Callable[[int], object]) -> None:
        self._n, self._look = n, look
        self.known: dict[int, str] = {}

    @override
    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    @override
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(self._n)[index])
        place = range(self._n)[index]
        if place not in self.known:
            self._look(place)
        return self.known[place]


class FileReader:
    """Images in files of an fsspec file system; may be read by several threads.

    Args:
        filesystem: Any fsspec file system: local, inside an archive, remote.
        paths: Path of each image in the file system.
        names: Path of each image below the target.

    Attributes:
        decode: Returns what the bytes of a file hold; see `decode_image`.
        local: Whether these are plain files of this machine.
        digests: The sha256 of each file; files that were read before are not read again.
    """

    decode: ClassVar[Callable[..., Any]] = staticmethod(decode_image)

    def __init__(self, filesystem: Any, paths: Sequence[str], names: Sequence[str]) -> None:
        self.names = tuple(map(readable, names))
        self._filesystem = filesystem
        self._paths = tuple(paths)
        self.local = isinstance(filesystem, LocalFileSystem)
        # the members of an archive share one file object, and so one position
        in_archive = isinstance(filesystem, AbstractArchiveFileSystem)
        self._lock = threading.Lock() if in_archive else None
        self.digests = Digests(len(self._paths), self.content)

    def read(self, index: int, min_side: int | None = None, depth: int | None = None) -> Any:
        """Return one image, upright, as RGB; see `ImageReader.read`.

        Raises:
            CorruptImagesError: If the file is not an image that can be used.
        """
        content = self.content(index)
        try:
            return self.decode(content, min_side, depth)
        except ValueError as error:
            raise CorruptImagesError([(self.names[index], str(error))]) from None

    def content(self, index: int) -> bytes:
        """Return the encoded image.

        Raises:
            CorruptImagesError: If the file cannot be read.
        """
        try:
            content = self._bytes(self._paths[index])
        except FileNotFoundError:
            raise CorruptImagesError([(self.names[index], "there is no such file")]) from None
        except _UNREADABLE as error:
            reason = f"unreadable ({shortened(error)})"
            raise CorruptImagesError([(self.names[index], reason)]) from None
        digest = hashlib.sha256(content).hexdigest()
        if self.digests.known.setdefault(index, digest) != digest:
            # its features would be of neither
            raise CorruptImagesError([(self.names[index], "changed after it was first read")])
        return content

    def _bytes(self, path: str) -> bytes:
        if self.local:
            return file_bytes(path)
        if self._lock is None:
            return _within_limit(self._filesystem.cat_file(path, end=MAX_FILE_BYTES + 1))
        with self._lock, self._filesystem.open(path, "rb") as member:
            return _within_limit(member.read(MAX_FILE_BYTES + 1))


class ArrayReader:
    """Images in arrays; the name of an image is its index over all of them.

    Args:
        arrays: Each (n, h, w), (n, h, w, 1), (n, h, w, 3) or (n, h, w, 4); integers in
            [0, 255] or floats in [0, 1].

    Raises:
        InvalidTargetError: If the shape or a value is none of these.
    """

    def __init__(self, *arrays: NDArray[Any]) -> None:
        self._rows = [row for array in arrays for row in as_uint8(array)]
        self.names = tuple(map(str, range(len(self._rows))))

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """Return the sha256 of the shape and the pixels of each image."""
        return tuple(
            hashlib.sha256(f"{row.shape}".encode() + row.tobytes()).hexdigest()
            for row in self._rows
        )

    def read(self, index: int, *_: Any) -> Image.Image:
        """Return one image as RGB; see `ImageReader.read`."""
        return upright_rgb(Image.fromarray(self._rows[index]))


class PillowReader:
    """Images that are PIL images already; the name of an image is its index.

    Args:
        images: The images, of any size and mode.

    Attributes:
        digests: The sha256 of the size and the pixels of each image.
    """

    def __init__(self, images: Sequence[Image.Image]) -> None:
        self.names = tuple(map(str, range(len(images))))
        self._images = list(images)
        self._lock = threading.Lock()  # one that was opened from a file is decoded when it is read
        self.digests = Digests(len(self._images), self._look)

    def _look(self, index: int) -> None:
        image, read = self._images[index], self.read(index)
        self.digests.known[index] = pixel_digest(image if DEEPEST in read.info else read)

    def read(
        self,
        index: int,
        min_side: int | None = None,  # noqa: ARG002
        depth: int | None = None,
    ) -> Image.Image:
        """Return one image as RGB; see `ImageReader.read`.

        Raises:
            CorruptImagesError: If it cannot be used.
        """
        try:
            with self._lock:
                return usable_rgb(self._images[index], None, depth)
        except ValueError as error:
            raise CorruptImagesError([(self.names[index], str(error))]) from None


def file_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the content of one image's file on this machine.

    Raises:
        OSError: If it cannot be read, or is a named pipe, a socket or a device.
        ValueError: If it is larger than the limit.
    """
    if special := special_file(path):
        raise OSError(f"{special}, not a file")
    with Path(path).open("rb") as file:
        return _within_limit(file.read(MAX_FILE_BYTES + 1))


def _within_limit(content: bytes) -> bytes:
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"larger than {MAX_FILE_BYTES >> 20} MiB, the limit")
    return content


def pixel_digest(image: Image.Image) -> str:
    """Return the sha256 of the size and the pixels of an image, decoded to RGB or deep grey."""
    return hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()


def as_uint8(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return (n, h, w) or (n, h, w, 3 or 4) bytes, a view of the array where that is possible."""
    array = np.asarray(pixels)
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[-1] not in (1, 3, 4)):
        raise InvalidTargetError(
            f"images of the shape {array.shape}; an array must be (n, h, w) or (n, h, w, c) "
            "with 1, 3 or 4 channels, and channels come last"
        )
    if min(array.shape[1:3]) < SMALLEST_SIDE:
        raise InvalidTargetError(
            f"images of {array.shape[1]} x {array.shape[2]} pixels; at least "
            f"{SMALLEST_SIDE} x {SMALLEST_SIDE} are needed"
        )
    if array.ndim == 4 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.dtype == np.uint8 or not array.size:
        return array.astype(np.uint8, copy=False)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    return _scaled(array)


def _scaled(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype.kind not in "iuf":
        raise InvalidTargetError(f"pixels of type {array.dtype}; they must be numbers")
    low, high = array.min(), array.max()  # NaN, where there is one
    limit = 1 if array.dtype.kind == "f" else 255
    if not (low >= 0 and high <= limit):
        raise InvalidTargetError(
            f"{array.dtype} pixels from {low:g} to {high:g}; integers must lie in [0, 255] and "
            "floats in [0, 1]: scale the array first"
        )
    if limit == 1:
        array = np.round(array * 255)
    return array.astype(np.uint8)
