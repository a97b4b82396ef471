"""Opening a target: pictures, labels and splits, all of them checked before anything runs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autotransfer.data.image_set import ImageReader, ImageSet
from autotransfer.data.manifest import read_manifest
from autotransfer.data.reading import (
    ArrayReader,
    FileReader,
    PictureReader,
    decode_file,
    in_threads,
)
from autotransfer.data.tree import SPLITS, Tree, open_tree
from autotransfer.errors import CorruptImagesError, InvalidOptionError, InvalidTargetError

TargetLike: TypeAlias = Any  # a path, a URL, (X, y), an array, a list of pictures, an ImageSet
BAD_IMAGE_RULES = ("stop", "skip")
_CHECK_SIDE = 256  # large JPEGs are checked at a fraction of their size
_NAMED = 5

__all__ = ["Target", "decode_file", "open_images", "open_target"]


@dataclass(frozen=True)
class Target:
    """The user's problem as pictures.

    Args:
        name: Short name, for the study and its folder.
        train: The pictures to search and learn with.
        validation: The user's own validation split, where there is a test split as well.
        sealed: The user's own test split; None lets the core choose.
        class_names: Names of the K classes.
        notes: What was decided or left out, in sentences.
        groups: Group of each training picture; None without groups.
    """

    name: str
    train: ImageSet
    validation: ImageSet | None
    sealed: ImageSet | None
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    groups: tuple[str, ...] | None = None

    @property
    def labelled(self) -> bool:
        """Return whether the training pictures have labels."""
        return self.train.labelled


@dataclass(frozen=True)
class _Listing:
    """Pictures as they were found: a split and a class name for each.

    Args:
        reader: Reads them.
        splits: "train", "validation", "test", or "" for no split.
        classes: Name of the class; None without labels.
        class_names: Order of the classes where the source fixes it.
        notes: What was decided or left out.
        groups: Group of each picture, where there are groups.
    """

    reader: ImageReader
    splits: Sequence[str]
    classes: Sequence[str] | None
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    groups: Sequence[str] | None = None


def open_target(
    target: TargetLike, *, on_bad_image: str = "stop", minimum_per_class: int = 2
) -> Target:
    """Return the target, every picture checked.

    Args:
        target: A folder of class folders, an archive of one, a manifest, an `.npz`, an fsspec
            URL of these, `(X, y)`, an array or a list of pictures, or an `ImageSet`.
        on_bad_image: "stop" names every bad picture in an error, "skip" leaves them out.
        minimum_per_class: Fewest training pictures of a class.

    Raises:
        InvalidTargetError: If the target cannot be used; the message says what to do.
        CorruptImagesError: If pictures cannot be decoded and `on_bad_image` is "stop".
    """
    if on_bad_image not in BAD_IMAGE_RULES:
        raise InvalidOptionError(
            f"on_bad_image must be one of {', '.join(BAD_IMAGE_RULES)}, got {on_bad_image!r}"
        )
    if isinstance(target, ImageSet):
        opened = Target("pictures", target, None, None, target.class_names)
    else:
        name, listing = _list(target)
        opened = _divide(name, *_checked(listing, on_bad_image))
    if opened.labelled:
        _check_classes(opened, minimum_per_class)
    return opened


def open_images(images: TargetLike) -> ImageSet:
    """Return all pictures below a place, in bytewise path order (arrays in order), unlabelled.

    Raises:
        InvalidTargetError: If there is none, or some cannot be decoded.
    """
    if isinstance(images, ImageSet):
        return images.without_labels()
    if _is_path(images) and not _is_table(str(images)):
        tree = open_tree(os.fspath(images))
        if not tree.files:
            raise InvalidTargetError(f"{images}: no pictures in it")
        listing = _Listing(_reader(tree), ["train"] * len(tree.files), None)
    else:
        _, listing = _list(images)
    good, _ = _checked(replace(listing, classes=None), "stop")
    return ImageSet(good.reader, np.arange(len(good.reader.names)))


def _list(target: TargetLike) -> tuple[str, _Listing]:
    """Return a short name and the pictures of a target in any form."""
    if _is_path(target):
        place = os.fspath(target)
        stem = Path(place.rstrip("/").split("::")[0].split("://")[-1] or place.split("::")[-1])
        return stem.name.split(".")[0] or "target", _list_place(place)
    if isinstance(target, tuple) and len(target) == 2:
        return "arrays", _list_arrays(*target)
    if isinstance(target, np.ndarray):
        reader = ArrayReader(target)
        return "arrays", _Listing(reader, [""] * len(reader.names), None)
    if isinstance(target, Sequence) and target and all(isinstance(p, Image.Image) for p in target):
        return "pictures", _Listing(PictureReader(list(target)), [""] * len(target), None)
    if isinstance(target, Sequence) and target and all(_is_path(p) for p in target):
        return "pictures", _list_files([os.fspath(path) for path in target])
    raise InvalidTargetError(
        f"a target of type {type(target).__name__} is not understood; give a path, (X, y), an "
        "array (n, h, w, 3) or a list of pictures"
    )


def _is_path(target: object) -> bool:
    return isinstance(target, str | os.PathLike)


def _is_table(place: str) -> bool:
    return place.lower().endswith((".npz", ".csv", ".parquet"))


def _list_place(place: str) -> _Listing:
    lower = place.lower()
    if _is_table(place) and "://" not in place and not Path(place).is_file():
        raise InvalidTargetError(f"{place}: no such file")
    if lower.endswith(".npz"):
        return _list_npz(Path(place))
    if lower.endswith((".csv", ".parquet")):
        manifest = read_manifest(Path(place))
        reader = _files_reader(manifest.paths, manifest.names)
        return _Listing(
            reader, manifest.splits, manifest.labels, groups=manifest.groups, notes=manifest.notes
        )
    return _list_tree(open_tree(place), place)


def _list_tree(tree: Tree, place: str) -> _Listing:
    if not tree.files:
        raise InvalidTargetError(f"{place}: no pictures in it")
    notes = tuple(
        f"{count} file(s) that are not pictures were ignored ({extension})"
        for extension, count in sorted(tree.ignored.items())
    )
    below = [path for _, path in tree.files]
    depths = {len(path.parts) for path in below}
    tops = sorted({path.parts[0] for path in below})
    if depths == {1}:
        return _Listing(_reader(tree), [""] * len(below), None, notes=notes)
    if all(top.lower() in SPLITS for top in tops):
        splits = [SPLITS[path.parts[0].lower()] for path in below]
        if depths == {3}:
            return _Listing(_reader(tree), splits, [p.parts[1] for p in below], notes=notes)
        if depths == {2}:
            return _Listing(_reader(tree), splits, None, notes=notes)
    elif depths == {2}:
        classes = [path.parts[0] for path in below]
        return _Listing(_reader(tree), [""] * len(below), classes, notes=notes)
    raise InvalidTargetError(
        f"{place}: expected class folders of pictures, or train, val and test folders of class "
        f"folders, but found {' and '.join(map(str, sorted(depths)))} level(s) below "
        f"{', '.join(tops[:_NAMED])}; {_way_out(place, tops[0])}"
    )


def _way_out(place: str, top: str) -> str:
    if "://" in place or Path(place).is_dir():
        return f"name one folder of it, such as {place.rstrip('/')}/{top}"
    return f"name one folder of it, such as zip://{top}::{place}"


def _list_files(paths: list[str]) -> _Listing:
    return _Listing(_files_reader(paths, paths), [""] * len(paths), None)


def _files_reader(paths: Sequence[str], names: Sequence[str]) -> FileReader:
    from fsspec.implementations.local import LocalFileSystem

    return FileReader(LocalFileSystem(), paths, names)


def _reader(tree: Tree) -> FileReader:
    return FileReader(
        tree.filesystem, [path for path, _ in tree.files], [str(below) for _, below in tree.files]
    )


def _list_arrays(pixels: Any, labels: Any) -> _Listing:
    pictures = isinstance(pixels, Sequence)
    reader: ImageReader
    if pictures and all(isinstance(p, Image.Image) for p in pixels):
        reader = PictureReader(list(pixels))
    elif pictures and all(_is_path(p) for p in pixels):
        paths = [os.fspath(p) for p in pixels]
        reader = _files_reader(paths, paths)
    else:
        reader = ArrayReader(np.asarray(pixels))
    names = _label_names(np.asarray(labels), len(reader.names))
    return _Listing(reader, [""] * len(reader.names), names, _ordered(names))


def _label_names(labels: NDArray[Any], n: int) -> list[str]:
    if labels.shape != (n,):
        raise InvalidTargetError(f"labels must have the shape ({n},), got {labels.shape}")
    return [str(label) for label in labels.tolist()]


def _ordered(names: Sequence[str]) -> tuple[str, ...]:
    """Return the classes in order: by number where all are numbers, else bytewise."""
    unique = set(names)
    if all(name.lstrip("-").isdigit() for name in unique):
        return tuple(sorted(unique, key=int))
    return tuple(sorted(unique, key=lambda name: name.encode("utf-8", "surrogateescape")))


def _list_npz(path: Path) -> _Listing:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise InvalidTargetError(f"{path}: not an .npz file of plain arrays ({error})") from error
    if "x" in arrays:
        arrays["x_train"] = arrays.pop("x")
        if "y" in arrays:
            arrays["y_train"] = arrays.pop("y")
    suffixes = [key[2:] for key in arrays if key.startswith("x_")]
    used = [suffix for suffix in suffixes if suffix in SPLITS]
    if "train" not in used:
        raise InvalidTargetError(f"{path}: no array x_train; it holds {', '.join(arrays)}")
    labelled = all(f"y_{suffix}" in arrays for suffix in used)
    notes = tuple(
        f"x_{suffix} was ignored: {suffix!r} is not train, val or test"
        for suffix in suffixes
        if suffix not in SPLITS
    )
    pixels = np.concatenate([arrays[f"x_{suffix}"] for suffix in used])
    splits = [SPLITS[suffix] for suffix in used for _ in arrays[f"x_{suffix}"]]
    if not labelled:
        return _Listing(ArrayReader(pixels), splits, None, notes=notes)
    labels = np.concatenate([arrays[f"y_{suffix}"] for suffix in used])
    names, order = _npz_names(labels, arrays, len(pixels))
    return _Listing(ArrayReader(pixels), splits, names, order, notes)


def _npz_names(
    labels: NDArray[Any], arrays: Mapping[str, NDArray[Any]], n: int
) -> tuple[list[str], tuple[str, ...]]:
    names = _label_names(labels, n)
    if "class_names" in arrays and np.issubdtype(labels.dtype, np.integer):
        listed = [str(name) for name in arrays["class_names"].tolist()]
        if labels.min() < 0 or labels.max() >= len(listed):
            raise InvalidTargetError(
                f"labels run from {labels.min()} to {labels.max()}, but class_names has "
                f"{len(listed)} names"
            )
        present = set(labels.tolist())
        names = [listed[label] for label in labels.tolist()]
        return names, tuple(name for i, name in enumerate(listed) if i in present)
    return names, _ordered(names)


def _checked(listing: _Listing, on_bad_image: str) -> tuple[_Listing, NDArray[np.int64]]:
    """Return the listing with its notes, and the positions of the pictures that can be used."""
    reader = listing.reader
    n = len(reader.names)
    if n == 0:
        raise InvalidTargetError("there are no pictures")
    problems: list[tuple[str, str]] = []
    good = np.arange(n)
    if isinstance(reader, FileReader):
        reasons = in_threads(lambda i: _problem(reader, i), n)
        problems = [(reader.names[i], r) for i, r in enumerate(reasons) if r is not None]
        good = np.array([i for i, reason in enumerate(reasons) if reason is None], dtype=np.int64)
    if not problems:
        return listing, good
    if on_bad_image == "stop":
        raise CorruptImagesError(problems)
    named = ", ".join(name for name, _ in problems[:_NAMED])
    note = f"{len(problems)} picture(s) that cannot be used were left out: {named}"
    if not len(good):
        raise CorruptImagesError(problems)
    return replace(listing, notes=(*listing.notes, note)), good


def _problem(reader: FileReader, index: int) -> str | None:
    try:
        reader.read(index, _CHECK_SIDE)
    except (ValueError, OSError) as error:
        return str(error)
    return None


def _divide(name: str, listing: _Listing, good: NDArray[np.int64]) -> Target:
    """Return the splits: a test split is sealed; without one, the validation split is."""
    splits = np.array(listing.splits)[good]
    parts = {kind: good[np.isin(splits, kinds)] for kind, kinds in _KINDS.items()}
    if not len(parts["train"]):
        raise InvalidTargetError("there are no training pictures; the split 'train' is empty")
    notes = listing.notes
    sealed, validation = parts["test"], parts["validation"]
    if not len(sealed) and len(validation):
        sealed, validation = validation, sealed
        notes = (*notes, "there is no test split, so the validation split is the sealed test")
    class_names = listing.class_names
    if listing.classes is not None and class_names is None:
        class_names = _ordered([listing.classes[i] for i in good])

    def part(positions: NDArray[np.int64]) -> ImageSet | None:
        if not len(positions):
            return None
        return _image_set(listing, positions, class_names or ())

    train = part(parts["train"])
    assert train is not None
    groups = listing.groups
    return Target(
        name,
        train,
        part(validation),
        part(sealed),
        class_names or (),
        notes,
        None if groups is None else tuple(groups[i] for i in parts["train"]),
    )


_KINDS = {"train": ("train", ""), "validation": ("validation",), "test": ("test",)}


def _image_set(
    listing: _Listing, positions: NDArray[np.int64], class_names: tuple[str, ...]
) -> ImageSet:
    if listing.classes is None:
        return ImageSet(listing.reader, positions)
    number = {name: i for i, name in enumerate(class_names)}
    labels = [number[listing.classes[i]] for i in positions]
    return ImageSet(listing.reader, positions, labels, class_names)


def _check_classes(target: Target, minimum: int) -> None:
    names = target.class_names
    if len(names) < 2:
        raise InvalidTargetError(
            f"there is one class ({', '.join(names)}); at least two are needed, one folder each"
        )
    counts = Counter(target.train.labels.tolist())
    for label, name in enumerate(names):
        if counts[label] < minimum:
            raise InvalidTargetError(
                f"class {name!r} has {counts[label]} training picture(s); at least {minimum} are "
                "needed: add pictures or remove the class"
            )
