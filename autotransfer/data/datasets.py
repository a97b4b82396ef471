"""Datasets of other libraries: torch, torchvision, Hugging Face. None of them is imported.

A dataset is known by what it can do: it has a length and returns an item for a position. Images
are read when they are needed, one at a time.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from autotransfer.data.images.arrays import class_names_of, flat_labels
from autotransfer.data.images.decoding import decode_image, upright_rgb
from autotransfer.data.images.reading import as_uint8
from autotransfer.data.listing import SPLITS, Listing, bytewise
from autotransfer.errors import CorruptImagesError, InvalidTargetError

IMAGE_KEYS = ("image", "img", "pixel_values", "picture")
LABEL_KEYS = ("label", "labels", "fine_label", "target", "class")


def is_dataset(target: Any) -> bool:
    """Return whether this is a dataset, or several of them by split, of another library."""
    if isinstance(target, Mapping):
        return bool(target) and all(_is_table(part) for part in target.values())
    if isinstance(target, str | bytes | np.ndarray | Image.Image | Path) or _is_tensor(target):
        return False
    if isinstance(target, Sequence):
        return bool(target) and isinstance(target[0], tuple | Mapping)
    return _is_table(target) or (hasattr(target, "__getitem__") and hasattr(target, "__len__"))


def read_dataset(target: Any, labels: Any | None = None) -> Listing:
    """Return the images of a dataset with its labels, or with those that are given.

    Args:
        target: Items (image, label) or mappings with an image, or a Hugging Face dataset, or a
            mapping from split to one.
        labels: (n,) labels; None takes those of the dataset, if it has some.

    Raises:
        InvalidTargetError: If it has no images that can be found, or its labels do not fit.
    """
    if isinstance(target, Mapping):
        return _by_split(target)
    if not hasattr(target, "__len__"):
        raise InvalidTargetError(
            "a dataset without a length cannot be divided; give one that can be indexed, not a "
            "stream"
        )
    values, names = _labels(target) if labels is None else (labels, None)
    reader = DatasetReader(target)
    splits = ["train"] * len(target)
    if values is None:
        return Listing(reader, splits, name="dataset")
    found = flat_labels(values, len(target))
    named = [str(value) for value in found.tolist()]
    if names is not None and found.dtype.kind in "iu":
        _refuse_outside(found, names)
        named = [names[value] for value in found.tolist()]
        kept = tuple(name for name in names if name in set(named))
        return Listing(reader, splits, named, kept, name="dataset")
    return Listing(reader, splits, named, class_names_of(found), name="dataset")


class DatasetReader:
    """Images of a dataset, read when they are needed; see `data.image_set.ImageReader`.

    Args:
        dataset: Has a length and returns an item for a position.

    Raises:
        InvalidTargetError: If its items hold no image.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = _undecoded(dataset)
        self.names = tuple(str(i) for i in range(len(dataset)))
        self._lock = threading.Lock()  # few datasets can be read by several threads
        self._digests: dict[int, str] = {}

    @property
    def digests(self) -> tuple[str, ...]:
        """Return the sha256 of each image: of its file where the dataset has it, else pixels."""
        for i in range(len(self.names)):
            if i not in self._digests:
                self.read(i)
        return tuple(self._digests[i] for i in range(len(self.names)))

    def read(self, index: int, min_side: int | None = None) -> Image.Image:
        """Return one image as RGB; see `ImageReader.read`.

        Raises:
            CorruptImagesError: If it is no image that can be used.
            InvalidTargetError: If the dataset returns another image than before.
        """
        name = self.names[index]
        try:
            with self._lock:
                found = _image_of(self._dataset[index])
            content = _content(found)
            if content is not None:
                self._note(index, hashlib.sha256(content).hexdigest())
                return decode_image(content, min_side)
            image = _image(found)
        except InvalidTargetError:
            raise
        except (ValueError, OSError, LookupError, TypeError) as error:
            raise CorruptImagesError([(name, str(error))]) from None
        key = f"{image.size}".encode() + image.tobytes()
        self._note(index, hashlib.sha256(key).hexdigest())
        return image

    def _note(self, index: int, digest: str) -> None:
        if self._digests.setdefault(index, digest) != digest:
            raise InvalidTargetError(
                f"the dataset returns another image {index} at every read; give it without "
                "random transforms, the images are varied during training anyway"
            )


def _is_table(target: Any) -> bool:
    """Return whether this is a Hugging Face dataset: columns with features, and rows."""
    return all(hasattr(target, name) for name in ("features", "column_names", "__getitem__"))


def _is_tensor(target: Any) -> bool:
    return hasattr(target, "dtype") and hasattr(target, "shape")


def _by_split(parts: Mapping[Any, Any]) -> Listing:
    """Return the splits of a mapping as one listing."""
    splits = {str(name): part for name, part in parts.items() if str(name) in SPLITS}
    if not splits:
        raise InvalidTargetError(
            f"the splits are named {', '.join(map(str, parts))}; name them {', '.join(SPLITS)}, "
            "or give one of them"
        )
    listings = {name: read_dataset(part) for name, part in splits.items()}
    labelled = [listing.classes is not None for listing in listings.values()]
    if any(labelled) and not all(labelled):
        raise InvalidTargetError("some splits of the dataset have labels, and some have none")
    names: dict[str, None] = {}
    for listing in listings.values():
        names |= dict.fromkeys(listing.class_names)
    ordered = tuple(names) if _same_order(listings) else tuple(bytewise(names))
    return Listing(
        _Joined([listing.reader for listing in listings.values()]),
        [SPLITS[name] for name, listing in listings.items() for _ in listing.splits],
        [c for listing in listings.values() for c in listing.classes or ()] or None,
        ordered,
        notes=tuple(
            f"the split {name!r} was ignored; the splits are {', '.join(SPLITS)}"
            for name in map(str, parts)
            if name not in SPLITS
        ),
        name="dataset",
    )


def _same_order(listings: Mapping[str, Listing]) -> bool:
    return len({listing.class_names for listing in listings.values()}) == 1


class _Joined:
    """Several readers one after the other."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = parts
        self._places = [(p, i) for p, part in enumerate(parts) for i in range(len(part.names))]
        self.names = tuple(str(i) for i in range(len(self._places)))

    @property
    def digests(self) -> tuple[str, ...]:
        return tuple(digest for part in self._parts for digest in part.digests)

    def read(self, index: int, min_side: int | None = None) -> Image.Image:
        part, place = self._places[index]
        image: Image.Image = self._parts[part].read(place, min_side)
        return image


def _undecoded(dataset: Any) -> Any:
    """Return a Hugging Face dataset that gives files instead of images, or what was given."""
    if not _is_table(dataset):
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


def _labels(dataset: Any) -> tuple[Any | None, Sequence[str] | None]:
    """Return the labels of a dataset, and the names of the classes that they number."""
    if _is_table(dataset):
        return _column_labels(dataset)
    names = getattr(dataset, "classes", None)
    targets = getattr(dataset, "targets", None)
    if targets is not None and len(targets) == len(dataset):
        return np.asarray(targets), names
    if names is None:  # torch.utils.data.Subset keeps them in the dataset that it is part of
        names = getattr(getattr(dataset, "dataset", None), "classes", None)
    found = [_label_of(dataset[i]) for i in range(len(dataset))]
    if all(label is None for label in found):
        return None, None
    if any(label is None for label in found):
        raise InvalidTargetError("some items of the dataset have a label, and some have none")
    return found, names


def _column_labels(dataset: Any) -> tuple[Any | None, Sequence[str] | None]:
    features = dataset.features
    named = [name for name, kind in features.items() if type(kind).__name__ == "ClassLabel"]
    known = [name for name in LABEL_KEYS if name in dataset.column_names]
    candidates = [name for name in known if name in named] or named or known
    if not candidates:
        return None, None
    name = candidates[0]
    return np.asarray(dataset[name][:]), getattr(features[name], "names", None)


def _label_of(item: Any) -> Any:
    if isinstance(item, tuple | list) and len(item) > 1:
        label = item[1]
    elif isinstance(item, Mapping):
        label = next((item[key] for key in LABEL_KEYS if key in item), None)
    else:
        return None
    return label.item() if hasattr(label, "item") else label


def _image_of(item: Any) -> Any:
    if isinstance(item, tuple | list) and item:
        return item[0]
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


def _is_file(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"bytes", "path"}


def _content(found: Any) -> bytes | None:
    """Return the content of an image file, where the dataset has it."""
    if _is_file(found):
        content = found["bytes"]
        return bytes(content) if content is not None else Path(found["path"]).read_bytes()
    if isinstance(found, str | Path):
        return Path(found).read_bytes()
    return found if isinstance(found, bytes) else None


def _image(found: Any) -> Image.Image:
    """Return an image, or pixels as an array or a tensor, as RGB."""
    if isinstance(found, Image.Image):
        return upright_rgb(found)
    if not _is_tensor(found):
        raise InvalidTargetError(
            f"an item of the dataset holds a {type(found).__name__}, not an image; it must return "
            "a PIL image, an array (h, w, 3) or a tensor (3, h, w)"
        )
    pixels = np.asarray(found)
    if pixels.ndim == 3 and not isinstance(found, np.ndarray):  # torch puts channels first
        pixels = pixels.transpose(1, 2, 0)
    if pixels.dtype.kind == "f" and (pixels.min() < 0 or pixels.max() > 1):
        raise InvalidTargetError(
            f"pixels from {pixels.min():g} to {pixels.max():g} in the dataset; give it without "
            "Normalize, every source standardises the images as it needs them"
        )
    return upright_rgb(Image.fromarray(as_uint8(pixels[None])[0]))


def _refuse_outside(values: Any, names: Sequence[str]) -> None:
    if len(values) and not (values.min() >= 0 and values.max() < len(names)):
        raise InvalidTargetError(
            f"labels from {values.min()} to {values.max()} in the dataset, but it names "
            f"{len(names)} classes; images without a label have to be left out"
        )
