"""Trained baselines on disk: the same baseline on the same items is trained once."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autotransfer.data.atomic_files import written_whole
from autotransfer.models.feature_store import default_folder
from autotransfer.plugin.registry import Registry
from autotransfer.search.checkpoint import Checkpoint, read_checkpoint, write_checkpoint

_VERSION = "1"
_PREDICTIONS = "predictions.npy"


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
        try:
            predictions = np.load(place / _PREDICTIONS, allow_pickle=False)
            return read_checkpoint(place, self._registry), predictions
        except (OSError, ValueError, KeyError):
            return None

    def put(self, key: str, kept: Checkpoint, predictions: NDArray[np.float64]) -> None:
        """Keep the baseline; a cache that cannot be written is left alone."""
        place = self._place(key)
        with contextlib.suppress(OSError), written_whole(place) as temporary:
            write_checkpoint(temporary, kept)
            np.save(temporary / _PREDICTIONS, predictions)

    def _place(self, key: str) -> Path:
        return self._folder / hashlib.sha256(f"{_VERSION}|{key}".encode()).hexdigest()[:32]
