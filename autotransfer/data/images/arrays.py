"""Images in memory and in `.npz` files, with their labels."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from fsspec.implementations.local import LocalFileSystem
from numpy.typing import NDArray
from PIL import Image

from autotransfer.data.image_set import ImageReader
from autotransfer.data.images.dataset_items import DatasetReader
from autotransfer.data.images.reading import ArrayReader, FileReader, PillowReader
from autotransfer.data.labels import class_names_of, flat_labels, listed, named
from autotransfer.data.listing import SPLITS, Listing
from autotransfer.data.storage import MAX_READ_BYTES, Location
from autotransfer.errors import InvalidTargetError

_MOST_TIMES = 20  # of what is in a file, where it unpacks to more than the limit
_IMAGES = (Image.Image, str, bytes, os.PathLike, np.ndarray)


def read_images(images: Any, labels: Any | None = None) -> Listing:
    """Return an array, or a list of arrays, PIL images or paths, with labels or without.

    Args:
        images: (n, h, w), (n, h, w, 1 | 3 | 4), n images that may differ in size, or one PIL
            image.
        labels: (n,) integers or names; None without labels.

    Raises:
        InvalidTargetError: If the images are in none of these forms, or the labels do not fit.
    """
    reader = _reader([images] if isinstance(images, Image.Image) else images)
    return listed(reader, labels, "arrays" if isinstance(reader, ArrayReader) else "images")


def read_npz(place: Location) -> Listing:
    """Return the arrays x_train, y_train, x_val, ... of an `.npz` file; x and y are training.

    Raises:
        InvalidTargetError: If it is no such file, or arrays are missing or do not fit together.
    """
    arrays = _load(place)
    splits = [key[2:] for key in arrays if key.startswith("x_") and key[2:] in SPLITS]
    if not splits:
        raise InvalidTargetError(
            f"{place.text}: no array 'x' or 'x_train'; it holds {', '.join(arrays) or 'nothing'}"
        )
    notes = tuple(
        f"the array {key!r} was ignored; the splits are {', '.join(SPLITS)}"
        for key in arrays
        if key.startswith("x_") and key[2:] not in SPLITS
    )
    try:
        listing = _npz_listing(arrays, splits)
    except InvalidTargetError as error:
        raise InvalidTargetError(f"{place.text}: {error}") from None
    return replace(listing, notes=notes, name=place.name)


def _npz_listing(arrays: Mapping[str, NDArray[Any]], splits: Sequence[str]) -> Listing:
    reader = ArrayReader(*(arrays[f"x_{split}"] for split in splits))
    sizes = [len(arrays[f"x_{split}"]) for split in splits]
    of_image = np.repeat([SPLITS[split] for split in splits], sizes).tolist()
    missing = [f"y_{split}" for split in splits if f"y_{split}" not in arrays]
    if len(missing) == len(splits):
        return Listing(reader, of_image)
    if missing:
        raise InvalidTargetError(f"there is no array {missing[0]!r}, though others have labels")
    values = np.concatenate(
        [flat_labels(arrays[f"y_{s}"], size) for s, size in zip(splits, sizes, strict=True)]
    )
    classes, names = _npz_classes(values, arrays)
    return Listing(reader, of_image, classes, names)


def _reader(images: Any) -> ImageReader:
    if getattr(images, "ndim", None) == 1 and getattr(images.dtype, "kind", "") in "OUT":
        images = list(images)  # a column of paths or of images
    if isinstance(images, Sequence) and not isinstance(images, str):
        found = _of_list(images)
        if found is not None:
            return found
    try:
        array = np.asarray(images)
    except (ValueError, TypeError) as error:
        raise InvalidTargetError(f"the images are no regular array ({error})") from error
    if array.dtype == object or array.ndim == 0:
        raise InvalidTargetError(
            f"a target of type {type(images).__name__} is not understood; give a path, (X, y), "
            "an array (n, h, w, 3), or a list of images or paths"
        )
    return ArrayReader(array)


def _of_list(images: Sequence[Any]) -> ImageReader | None:
    """Return a reader of a list of images; None if it is something else."""
    if all(isinstance(item, Image.Image) for item in images):
        return PillowReader(images)
    if all(isinstance(item, str | os.PathLike) for item in images):
        paths = [os.fspath(path) for path in images]
        return FileReader(LocalFileSystem(), paths, paths)
    if all(isinstance(item, np.ndarray) for item in images):
        try:
            return ArrayReader(*(item[None] for item in images))
        except InvalidTargetError:
            return DatasetReader(images)  # which says of each whether it can be used
    gaps = [item is None for item in images]  # what a loader gives for an image it cannot read
    known = [isinstance(item, _IMAGES) for item in images]
    mixed = any(known) and all(a or b for a, b in zip(gaps, known, strict=True))
    return DatasetReader(images) if mixed else None


def _load(place: Location) -> dict[str, NDArray[Any]]:
    try:
        local = isinstance(place.filesystem, LocalFileSystem)  # then no copy is in memory
        with (
            Path(place.root).open("rb") if local else io.BytesIO(place.read()) as file,
            np.load(file, allow_pickle=False) as archive,
        ):
            check_unpacked(archive, place.text)
            arrays = {key.lower(): archive[key] for key in archive.files}
    except InvalidTargetError:
        raise
    except (
        OSError, ValueError, EOFError, LookupError, MemoryError, zipfile.BadZipFile, zlib.error
    ) as error:  # fmt: skip
        raise InvalidTargetError(
            f"{place.text}: not an .npz file of plain arrays ({error})"
        ) from error
    except TypeError as error:  # numpy read a lone array, which has no names
        raise InvalidTargetError(f"{place.text}: not an .npz file") from error
    return {{"x": "x_train", "y": "y_train"}.get(key, key): arrays[key] for key in arrays}


def check_unpacked(archive: Any, name: str) -> None:
    """Refuse an `.npz` file, as `numpy.load` opens it, that would fill the memory.

    Raises:
        InvalidTargetError: If its arrays take more than 8 GiB and twenty times what they take in
            the file.
    """
    entries = archive.zip.infolist()
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > max(MAX_READ_BYTES, _MOST_TIMES * sum(e.compress_size for e in entries)):
        raise InvalidTargetError(
            f"{name}: unpacks to {unpacked / (1 << 30):,.0f} GiB; for a file of this size "
            f"{MAX_READ_BYTES >> 30} GiB is the limit: save the arrays with numpy.savez"
        )


def _npz_classes(
    values: NDArray[Any], arrays: Mapping[str, NDArray[Any]]
) -> tuple[list[str], tuple[str, ...]]:
    """Return the class name of each image, and the classes in order."""
    if "class_names" not in arrays or values.dtype.kind not in "iu":
        return named(values), class_names_of(values)
    names = tuple(named(arrays["class_names"]))
    if values.size and not (values.min() >= 0 and values.max() < len(names)):
        raise InvalidTargetError(
            f"labels from {values.min()} to {values.max()}, but class_names has {len(names)} names"
        )
    if len(set(names)) < len(names):
        raise InvalidTargetError("class_names holds a name twice")
    return [names[value] for value in values.tolist()], names
