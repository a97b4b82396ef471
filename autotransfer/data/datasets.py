"""Datasets of other libraries: torch, torchvision, Hugging Face. None of them is imported.

A dataset is known by what it can do: it has a length and returns an item for a position. Images
are read when they are needed, one at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from autotransfer.data.dataset_labels import Labels, labels_of
from autotransfer.data.image_set import ImageReader
from autotransfer.data.images.dataset_items import DatasetReader, JoinedReader, is_table, is_tensor
from autotransfer.data.labels import class_names_of, flat_labels, listed, named
from autotransfer.data.listing import SPLITS, Listing, bytewise
from autotransfer.data.sounds.listing import SoundColumn, sound_column
from autotransfer.data.sounds.reading import GivenSounds
from autotransfer.data.texts.listing import text_column
from autotransfer.data.texts.reading import TextReader
from autotransfer.errors import InvalidTargetError

_ORDERS = {2: ("train", "test"), 3: ("train", "val", "test")}


def is_dataset(target: Any) -> bool:
    """Return whether this is a dataset, or several of them by split, of another library."""
    if isinstance(target, Mapping):
        return bool(target) and all(is_dataset(part) for part in target.values())
    if isinstance(target, str | bytes | Image.Image | Path) or is_tensor(target):
        return False
    if hasattr(target, "__array__"):  # an array, a table or a column of one
        return False
    if is_sequence_of_splits(target):
        return True
    if isinstance(target, Sequence):
        return bool(target) and isinstance(target[0], tuple | Mapping)
    return is_table(target) or (hasattr(target, "__getitem__") and hasattr(target, "__len__"))


def is_sequence_of_splits(target: Any) -> bool:
    """Return whether this is (train, test) or (train, val, test), each a dataset."""
    return (
        isinstance(target, tuple) and len(target) in _ORDERS and all(is_dataset(p) for p in target)
    )


def read_dataset(target: Any, labels: Any | None = None) -> Listing:
    """Return the items of a dataset with its labels, or with those that are given.

    Args:
        target: Items (image, label) or mappings with an image, or a Hugging Face dataset of
            images or texts; or several by split: a mapping, or (train, test) or (train, val,
            test).
        labels: (n,) labels; None takes those of the dataset, if it has some.

    Raises:
        InvalidTargetError: If it has no images that can be found, or its labels do not fit.
    """
    if is_sequence_of_splits(target):
        target = dict(zip(_ORDERS[len(target)], target, strict=True))
    if isinstance(target, Mapping):
        return _by_split(target)
    n = _length(target)
    if labels is not None:
        return listed(_reader(target), labels, "dataset")
    known = labels_of(target, range(n))
    reader = _reader(target, known.failed, known.claimed)
    classes, names = _classes(known)
    return Listing(reader, ["train"] * n, classes, names, notes=known.notes, name="dataset")


def _reader(
    target: Any, failed: Mapping[int, str] | None = None, claimed: Sequence[Any] | None = None
) -> ImageReader:
    sounds = sound_column(target) if is_table(target) else None
    if sounds is not None:
        return GivenSounds(SoundColumn(target, sounds))
    column = text_column(target) if is_table(target) else None
    if column is None:
        return DatasetReader(target, failed, claimed)
    return TextReader(list(target[column]))


def _length(target: Any) -> int:
    try:
        return len(target)
    except Exception as error:
        raise InvalidTargetError(
            f"a dataset without a length ({type(error).__name__}) cannot be divided; give one "
            "that can be indexed, not a stream"
        ) from error


def _classes(known: Labels) -> tuple[list[str] | None, tuple[str, ...]]:
    """Return the class of each item, and the classes in order; (None, ()) without labels."""
    read = [i for i in range(len(known.values)) if i not in known.failed]
    values = [known.values[i] for i in read]
    if all(value is None for value in values):
        return None, ()
    if any(value is None for value in values):
        raise InvalidTargetError("some items of the dataset have a label, and some have none")
    found = flat_labels(values, len(values))
    if known.names is None or found.dtype.kind not in "iu":
        texts, names = named(found), class_names_of(found)
    else:
        _refuse_outside(found, known.names)
        texts = [known.names[value] for value in found.tolist()]
        used = set(texts)
        names = tuple(name for name in known.names.values() if name in used)
    classes = [texts[0]] * len(known.values)  # an item that failed is never used
    for i, text in zip(read, texts, strict=True):
        classes[i] = text
    return classes, names


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
    same_order = len({listing.class_names for listing in listings.values()}) == 1
    ordered = tuple(names) if same_order else tuple(bytewise(names))
    return Listing(
        JoinedReader([listing.reader for listing in listings.values()]),
        [SPLITS[name] for name, listing in listings.items() for _ in listing.splits],
        [c for listing in listings.values() for c in listing.classes or ()] or None,
        ordered,
        notes=tuple(note for listing in listings.values() for note in listing.notes)
        + tuple(
            f"the split {name!r} was ignored; the splits are {', '.join(SPLITS)}"
            for name in map(str, parts)
            if name not in SPLITS
        ),
        name="dataset",
    )


def _refuse_outside(values: Any, names: Mapping[int, str]) -> None:
    if not set(values.tolist()) <= set(names):
        raise InvalidTargetError(
            f"labels from {values.min()} to {values.max()} in the dataset, but it names "
            f"{len(names)} classes; images without a label have to be left out"
        )
