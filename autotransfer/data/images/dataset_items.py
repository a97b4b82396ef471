"""Items of datasets of other libraries: what in them is the image, and what the label."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from autotransfer.data.images.decoding import DEEPEST, EXTENSIONS, decode_image, usable_rgb
from autotransfer.data.images.reading import Digests, as_uint8, file_bytes, pixel_digest
from autotransfer.data.labels import plain_label
from autotransfer.data.modality import Modality
from autotransfer.errors import CorruptImagesError, InvalidTargetError

IMAGE_KEYS = ("image", "img", "pixel_values", "picture")
LABEL_KEYS = ("label", "labels", "fine_label", "target", "class")


class DatasetReader:
    """Images of a dataset, read when they are needed; see `data.image_set.ImageReader`.

    Args:
        dataset: Has a length and returns an item for a position.
        failed: Why items could not be read when their labels were.
        claimed: Label that the dataset states for each item beside the items, where it does.

    Attributes:
        digests: The sha256 of each image: of its file where the dataset has it, else pixels.

    Raises:
        InvalidTargetError: If its items hold no image.
    """

    def __init__(
        self,
        dataset: Any,
        failed: Mapping[int, str] | None = None,
        claimed: Sequence[Any] | None = None,
    ) -> None:
        self._dataset = _undecoded(dataset)
        self.names = tuple(str(i) for i in range(len(dataset)))
        self._lock = threading.Lock()  # few datasets can be read by several threads
        self.digests = Digests(len(self.names), self.read)
        self._failed = failed or {}
        self._claimed = claimed

    def read(
        self, index: int, min_side: int | None = None, depth: int | None = None
    ) -> Image.Image:
        """Return one image as RGB; see `ImageReader.read`.

        Raises:
            CorruptImagesError: If it is no image that can be used, or the dataset fails.
            InvalidTargetError: If the dataset returns another image than before, or another
                label than it states.
        """
        if index in self._failed:
            raise CorruptImagesError([(self.names[index], self._failed[index])])
        try:
            with self._lock:
                item = self._dataset[index]
            self._refuse_other_label(index, item)
            found = image_of(item)
            content = _content(found)
            if content is not None:
                self._note(index, hashlib.sha256(content).hexdigest())
                return decode_image(content, min_side, depth)
            image = _image(found, depth)
        except InvalidTargetError:
            raise
        except Exception as error:  # noqa: BLE001 - a dataset is anybody's code
            raise CorruptImagesError([(self.names[index], reason_of(error))]) from None
        self._note(index, pixel_digest(found if DEEPEST in image.info else image))
        return image

    def _note(self, index: int, digest: str) -> None:
        if self.digests.known.setdefault(index, digest) != digest:
            raise InvalidTargetError(
                f"the dataset returns another image {index} at every read; give it without "
                "random transforms, the images are varied during training anyway"
            )

    def _refuse_other_label(self, index: int, item: Any) -> None:
        if self._claimed is None:
            return
        claimed, said = self._claimed[index], plain_label(label_of(item))
        if type(claimed) is type(said) and isinstance(said, int | str) and claimed != said:
            raise InvalidTargetError(
                f"item {index} of the dataset returns the label {said!r}, but its targets say "
                f"{claimed!r}; give the labels beside the dataset: (dataset, labels)"
            )


class JoinedReader:
    """Several readers or sets of one modality, one after the other.

    Args:
        parts: The readers.
        names: What each of all items is called; None numbers them.
    """

    def __init__(self, parts: Sequence[Any], names: Sequence[str] | None = None) -> None:
        self._parts = parts
        self.modality = next(
            (part.modality for part in parts if hasattr(part, "modality")), Modality.IMAGE
        )
        self._places = [(p, i) for p, part in enumerate(parts) for i in range(len(part.names))]
        self.names = tuple(map(str, range(len(self._places)) if names is None else names))
        self.digests = Digests(len(self._places), self._look)

    def _look(self, index: int) -> None:
        part, place = self._places[index]
        self.digests.known[index] = self._parts[part].digests[place]

    def read(self, index: int, min_side: int | None = None, depth: int | None = None) -> Any:
        """Return one item; see `ImageReader.read`.

        Raises:
            CorruptImagesError: If it cannot be used; its name is that among all items.
        """
        part, place = self._places[index]
        try:
            return self._parts[part].read(place, min_side, depth)
        except CorruptImagesError as error:
            reason = error.problems[0][1]
            raise CorruptImagesError([(self.names[index], reason)]) from None


def reason_of(error: Exception) -> str:
    """Return in a few words why an item cannot be read."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return str(error) or type(error).__name__


def is_table(target: Any) -> bool:
    """Return whether this is a Hugging Face dataset: columns with features, and rows."""
    return all(hasattr(target, name) for name in ("features", "column_names", "__getitem__"))


def is_tensor(target: Any) -> bool:
    """Return whether this is an array, a tensor or a column of a table."""
    return hasattr(target, "dtype") and hasattr(target, "shape")


def label_of(item: Any) -> Any:
    """Return the label of an item; None where it has none."""
    if isinstance(item, tuple | list) and len(item) > 1:
        place = _place_of_image(item)
        return item[place + 1] if place + 1 < len(item) else item[0]
    if isinstance(item, Mapping):
        return next((item[key] for key in LABEL_KEYS if key in item), None)
    return None


def image_of(item: Any) -> Any:
    """Return what an item holds as its image.

    Raises:
        InvalidTargetError: If none of its keys can be one.
    """
    if isinstance(item, tuple | list) and item:
        return item[_place_of_image(item)]
    if isinstance(item, Mapping) and not _is_file(item):
        known = [key for key in IMAGE_KEYS if key in item]
        images = [key for key, value in item.items() if isinstance(value, Image.Image)]
        files = [key for key, value in item.items() if _is_file(value)]
        found = [*known, *images, *files]
        if not found:
            raise InvalidTargetError(
                f"an item of the dataset has {', '.join(map(str, item))}; none is an image"
            )
        return item[found[0]]
    return item


def _place_of_image(item: Sequence[Any]) -> int:
    """Return where the image is: first, unless only another entry can be one."""
    places = [i for i, value in enumerate(item) if _like_image(value)]
    return places[0] if len(places) == 1 else 0


def _like_image(value: Any) -> bool:
    if is_tensor(value):
        return len(value.shape) in (2, 3)
    if isinstance(value, str):
        return value.lower().endswith(EXTENSIONS)
    return isinstance(value, Image.Image | Path | bytes) or _is_file(value)


def _undecoded(dataset: Any) -> Any:
    """Return a Hugging Face dataset that gives files instead of images, or what was given."""
    if not is_table(dataset):
        return dataset
    name = _image_column(dataset)
    try:
        kind = type(dataset.features[name])
        return dataset.select_columns([name]).cast_column(name, kind(decode=False))
    except (AttributeError, TypeError, ValueError):
        return dataset


def _image_column(dataset: Any) -> str:
    for name, feature in dataset.features.items():
        if type(feature).__name__ == "Image":
            return str(name)
    known = [name for name in IMAGE_KEYS if name in dataset.column_names]
    if not known:
        raise InvalidTargetError(
            f"the dataset has the columns {', '.join(dataset.column_names)}; none of them holds "
            "images: cast one with dataset.cast_column(name, datasets.Image())"
        )
    return known[0]


def _is_file(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"bytes", "path"}


def _content(found: Any) -> bytes | None:
    """Return the content of an image file, where the dataset has it."""
    if _is_file(found):
        content = found["bytes"]
        return bytes(content) if content is not None else file_bytes(found["path"])
    if isinstance(found, str | Path):
        return file_bytes(found)
    return found if isinstance(found, bytes) else None


def _image(found: Any, depth: int | None) -> Image.Image:
    """Return an image, or pixels as an array or a tensor, as RGB."""
    if isinstance(found, Image.Image):
        return usable_rgb(found, None, depth)
    if not is_tensor(found):
        raise ValueError(
            f"a {type(found).__name__}, not an image; an item must hold a PIL image, a file, an "
            "array (h, w, 3) or a tensor (3, h, w)"
        )
    pixels = np.asarray(found.detach().cpu() if hasattr(found, "detach") else found)
    if pixels.ndim == 3 and not isinstance(found, np.ndarray):  # torch puts channels first
        pixels = pixels.transpose(1, 2, 0)
    if pixels.dtype.kind == "f" and (pixels.min() < 0 or pixels.max() > 1):
        raise InvalidTargetError(
            f"pixels from {pixels.min():g} to {pixels.max():g} in the dataset; give it without "
            "Normalize, every source standardises the images as it needs them"
        )
    try:
        return usable_rgb(Image.fromarray(as_uint8(pixels[None])[0]))
    except InvalidTargetError as error:
        raise ValueError(str(error)) from None  # of this image, not of the dataset
