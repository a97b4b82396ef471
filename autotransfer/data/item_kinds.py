"""Kinds of items that plugins add: how a file of them is read, described and shown."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from fsspec.implementations.local import LocalFileSystem
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageReader, ImageSet
from autotransfer.data.images.reading import FileReader
from autotransfer.data.labels import listed
from autotransfer.data.listing import Listing
from autotransfer.data.modality import Modality
from autotransfer.errors import CorruptImagesError, InvalidTargetError, one_line
from autotransfer.results import Json


@dataclass(frozen=True)
class ItemKind:
    """A kind of items beside images, texts and sounds.

    Args:
        name: In lower case; also the column of a table that holds paths, and `--modality`.
        plural: The word for several of them.
        extensions: How their files end, such as (".npy",).
        decode: Returns the item that the bytes of a file hold; raises ValueError with the
            reason alone where they hold none.
        encode: Returns the bytes of a file for an item in memory; None takes none in memory.
        describe: Returns (d,) numbers about an item, which a baseline without any source reads;
            None leaves that baseline out.
        show: Returns text that stands for an item in a report; None shows its name alone.
    """

    name: str
    plural: str
    extensions: tuple[str, ...]
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes] | None = None
    describe: Callable[[Any], NDArray[np.floating]] | None = None
    show: Callable[[Any], str] | None = None


@dataclass(frozen=True)
class ItemPreprocessing:
    """How a source wants items of a kind that a plugin adds.

    Args:
        modality: Name of the kind.
        settings: What changes the features, as plain values.
    """

    modality: str
    settings: Mapping[str, Json] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """Return it in a few words."""
        return Modality(self.modality).plural

    def plain(self) -> Json:
        """Return plain values that say which features come out."""
        return {"modality": str(self.modality), **self.settings}


_OFFERED: dict[str, ItemKind] = {}  # by plugins, for the whole process
_OURS = tuple(Modality)


def offer_kind(kind: ItemKind) -> None:
    """Make a kind of items known by the code of a plugin.

    Raises:
        ValueError: If it is one of our own.
    """
    if kind.name in _OURS:
        raise ValueError(f"{kind.plural} are autotransfer's own; choose another name")
    _OFFERED[kind.name] = kind
    Modality.add(kind.name, kind.plural)


def offered_kind(modality: str) -> ItemKind | None:
    """Return a kind that a plugin has added; None for our own."""
    return _OFFERED.get(modality)


def extensions_of(ours: Mapping[Modality, tuple[str, ...]]) -> dict[Modality, tuple[str, ...]]:
    """Return how files of each kind end, our own first.

    Args:
        ours: Of our own kinds.
    """
    return {**ours, **{Modality(name): kind.extensions for name, kind in _OFFERED.items()}}


class KindReader(FileReader):
    """Items of an added kind in files of an fsspec file system.

    Args:
        filesystem: As for `FileReader`.
        paths: Path of each item in the file system.
        names: Path of each item below the target.
        modality: What they are.
    """

    def __init__(
        self, filesystem: Any, paths: Sequence[Any], names: Sequence[str], *, modality: Modality
    ) -> None:
        super().__init__(filesystem, paths, names)
        self.modality = modality
        self.decode = partial(decode_item, str(modality))  # type: ignore[method-assign, misc]


class GivenItems:
    """Items of an added kind in memory, as the bytes of their files.

    Args:
        contents: n files.
        modality: What they are.
    """

    def __init__(self, contents: Sequence[bytes], modality: Modality) -> None:
        self.names = tuple(map(str, range(len(contents))))
        self.modality, self._contents = modality, tuple(contents)

    @property
    def digests(self) -> tuple[str, ...]:
        """Return the sha256 of each file."""
        return tuple(hashlib.sha256(content).hexdigest() for content in self._contents)

    def read(self, index: int, *_: Any) -> Any:
        """Return one item.

        Raises:
            CorruptImagesError: If it is none that can be used.
        """
        try:
            return decode_item(str(self.modality), self._contents[index])
        except ValueError as error:
            raise CorruptImagesError([(self.names[index], str(error))]) from None


def decode_item(modality: str, content: bytes, *_: Any) -> Any:
    """Return the item of an added kind that the bytes of a file hold.

    Args:
        modality: Name of the kind.
        content: The whole file.

    Raises:
        ValueError: If there is none; the message is the reason alone.
    """
    try:
        return _OFFERED[Modality(modality)].decode(content)
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"cannot be read ({one_line(error)})") from error


def read_given(items: Any, modality: Modality, labels: Any | None = None) -> Listing:
    """Return items of an added kind in memory, or by their paths, with labels or without.

    Args:
        items: n paths, files as bytes, or items in memory, where the kind encodes them.
        modality: What they are.
        labels: (n,) integers or names; None without labels.

    Raises:
        InvalidTargetError: If they are none of these.
    """
    kind = _OFFERED[modality]
    if isinstance(items, str | bytes) or not hasattr(items, "__iter__"):
        raise InvalidTargetError(f"a {type(items).__name__} holds no {kind.plural}; give a list")
    values = list(items)
    reader: ImageReader
    if values and all(isinstance(value, str | os.PathLike) for value in values):
        paths = [os.fspath(value) for value in values]
        reader = KindReader(LocalFileSystem(), paths, paths, modality=modality)
    else:
        reader = GivenItems([_encoded(value, i, kind) for i, value in enumerate(values)], modality)
    return listed(reader, labels, kind.plural)


def _encoded(value: Any, position: int, kind: ItemKind) -> bytes:
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if kind.encode is None:
        raise InvalidTargetError(
            f"item {position} is a {type(value).__name__}; {kind.plural} are given by their paths"
        )
    try:
        return kind.encode(value)
    except (ValueError, TypeError) as error:
        raise CorruptImagesError([(str(position), str(error))], item=kind.name) from None


def described(items: ImageSet) -> NDArray[np.float32] | None:
    """Return the (n, d) numbers that a plugin says about items; None where it says none.

    Args:
        items: Of an added kind.
    """
    kind = _OFFERED[items.modality]
    if kind.describe is None:
        return None
    rows = [np.asarray(kind.describe(items.read(i)), np.float32) for i in range(len(items))]
    return np.stack(rows)
