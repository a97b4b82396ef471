"""Sounds in memory with their labels: lists, and datasets of Hugging Face."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from fsspec.implementations.local import LocalFileSystem
from typing_extensions import override

from autotransfer.data.columns import values_of
from autotransfer.data.image_set import ImageReader
from autotransfer.data.labels import listed
from autotransfer.data.listing import Listing
from autotransfer.data.sounds.decoding import EXTENSIONS
from autotransfer.data.sounds.reading import GivenSounds, SoundReader
from autotransfer.errors import InvalidTargetError


def is_sounds(target: Any) -> bool:
    """Return whether this is a list of sounds: pairs of samples and rate, or paths that say so."""
    values = _values(target)
    return bool(values) and all(map(_is_sound, values or ()))


def read_sounds(sounds: Any, labels: Any | None = None) -> Listing:
    """Return sounds in memory or by their paths, with labels or without.

    Args:
        sounds: A list of n paths, of pairs (samples, rate), or of what Hugging Face makes of
            sounds.
        labels: (n,) integers or names; None without labels.

    Raises:
        InvalidTargetError: If it is none of these, or the labels do not fit.
    """
    values = _values(sounds)
    if values is None:
        raise InvalidTargetError(
            f"a target of type {type(sounds).__name__} holds no sounds; give a path, a list of "
            "paths or of pairs (samples, rate), or a table with the columns sound and label"
        )
    return listed(_reader(values), labels, "sounds")


def sound_column(dataset: Any) -> str | None:
    """Return the column of a Hugging Face dataset that holds sounds; None where none does.

    Args:
        dataset: Has `features`.
    """
    kinds = {name: type(feature).__name__ for name, feature in dataset.features.items()}
    return next((name for name, kind in kinds.items() if kind == "Audio"), None)


class SoundColumn(Sequence[Any]):
    """The sounds of a Hugging Face dataset, still encoded.

    Args:
        dataset: The dataset.
        column: Name of its column.
    """

    def __init__(self, dataset: Any, column: str) -> None:
        kind = type(dataset.features[column])
        self._rows = dataset.select_columns([column]).cast_column(column, kind(decode=False))
        self._column = column

    @override
    def __len__(self) -> int:
        return len(self._rows)

    @override
    def __getitem__(self, index: Any) -> Any:
        return self._rows[index][self._column]


def _values(target: Any) -> list[Any] | None:
    if isinstance(target, tuple) and not all(map(_is_sound, target)):
        return None  # splits, or one pair
    return values_of(target)


def _reader(values: Sequence[Any]) -> ImageReader:
    if values and all(isinstance(value, str | os.PathLike) for value in values):
        paths = [os.fspath(value) for value in values]
        return SoundReader(LocalFileSystem(), paths, paths)
    return GivenSounds(values)


def _is_sound(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "sampling_rate" in value and "array" in value
    if isinstance(value, tuple) and len(value) == 2:
        samples, rate = value if isinstance(value[0], np.ndarray) else value[::-1]
        number = isinstance(rate, int | float | np.integer) and not isinstance(rate, bool)
        return isinstance(samples, np.ndarray) and number and samples.ndim == 1
    if isinstance(value, str | os.PathLike):
        return os.fspath(value).lower().endswith(EXTENSIONS)
    return False
