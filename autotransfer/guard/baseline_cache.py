"""Trained baselines on disk: the same baseline on the same items is trained once.

An entry holds the hashes of its files; one that was changed or damaged is removed, and the
baseline is trained again.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.atomic_files import written_whole
from autotransfer.data.untrusted_files import read_json, reason
from autotransfer.errors import DataWarning
from autotransfer.models.feature_store import default_folder, made_private
from autotransfer.models.weights import sha256_of
from autotransfer.plugin.registry import Registry
from autotransfer.search.checkpoint import (
    Checkpoint,
    read_checkpoint,
    write_checkpoint,
    write_json,
)

_VERSION = "2"
_PREDICTIONS = "predictions.npy"
_HASHES = "sha256.json"


class BaselineCache:
    """Baselines and what they predict for the held-out items, by content.

    Args:
        folder: Where they are kept; None is the user's cache.
    """

    def __init__(self, registry: Registry, folder: Path | None = None) -> None:
        self._registry = registry
        self._folder = (default_folder() if folder is None else folder) / "baselines"

    def get(self, key: str) -> tuple[Checkpoint, NDArray[np.float64]] | None:
        """Return the baseline and its (n, K) predictions, or None."""
        place = self._place(key)
        if not place.is_dir():
            return None
        try:
            return self._read(place)
        except Exception as error:  # noqa: BLE001 - whatever is in it, it is not what was written
            warnings.warn(
                f"the cached baseline {place} cannot be used ({reason(error)}); it is trained "
                "again",
                DataWarning,
                stacklevel=2,
            )
            shutil.rmtree(place, ignore_errors=True)
            return None

    def _read(self, place: Path) -> tuple[Checkpoint, NDArray[np.float64]]:
        if read_json(place / _HASHES) != _hashes(place):
            raise ValueError("its files are not those that were written")
        predictions: NDArray[np.float64] = np.load(place / _PREDICTIONS, allow_pickle=False)
        return read_checkpoint(place, self._registry), predictions

    def put(self, key: str, kept: Checkpoint, predictions: NDArray[np.float64]) -> None:
        """Keep the baseline; a cache that cannot be written is left alone."""
        place = self._place(key)
        with contextlib.suppress(OSError):
            made_private(self._folder)
            with written_whole(place) as temporary:
                write_checkpoint(temporary, kept)
                np.save(temporary / _PREDICTIONS, predictions)
                write_json(temporary / _HASHES, _hashes(temporary))

    def _place(self, key: str) -> Path:
        return self._folder / hashlib.sha256(f"{_VERSION}|{key}".encode()).hexdigest()[:32]


def _hashes(place: Path) -> dict[str, str]:
    """Return the sha256 of every file of an entry."""
    return {path.name: sha256_of(path) for path in place.iterdir() if path.name != _HASHES}
