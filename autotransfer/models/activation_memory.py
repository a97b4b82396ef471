"""Raw outputs of stages in memory, and how those of several items are put together."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from autotransfer.data.images.views import View


class ActivationMemory:
    """Raw stage outputs by (source, stage, view, digest); those not used for longest go first.

    Args:
        max_bytes: What they may take together.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._rows: OrderedDict[tuple[str, int, View, str], Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, int, View, str]) -> Tensor | None:
        """Return a row; None where it is not kept."""
        with self._lock:
            if key in self._rows:
                self._rows.move_to_end(key)
            return self._rows.get(key)

    def put(self, key: tuple[str, int, View, str], row: Tensor) -> None:
        """Keep the row; when memory is short, the rows that were used longest ago go."""
        size = row.nbytes
        with self._lock:
            if size > self._max_bytes or key in self._rows:
                return
            self._rows[key] = row
            self._bytes += size
            while self._bytes > self._max_bytes:
                _, oldest = self._rows.popitem(last=False)
                self._bytes -= oldest.nbytes

    def forget(self, source: str) -> None:
        """Leave out all rows of a source, by its fingerprint."""
        with self._lock:
            for key in [key for key in self._rows if key[0] == source]:
                self._bytes -= self._rows.pop(key).nbytes


def stacked(rows: Sequence[Tensor]) -> Tensor:
    """Return the (n, ...) stack of raw outputs; maps that lie channels last stay so.

    Outputs of different lengths are filled up with zeros at the end.

    Args:
        rows: Raw outputs, all of the same shape but for the length.
    """
    if len({row.shape for row in rows}) > 1:
        return pad_sequence(list(rows), batch_first=True)
    if rows and rows[0].ndim == 3 and not rows[0].is_contiguous():
        return torch.stack([row.permute(1, 2, 0) for row in rows]).permute(0, 3, 1, 2)
    return torch.stack(list(rows))


def put_together(
    parts: Sequence[Tensor], places: Sequence[NDArray[np.int64]] | None = None
) -> Tensor:
    """Return the (n, ...) rows of several batches as one batch.

    Those of other lengths are filled up with zeros at the end.

    Args:
        parts: Batches of the same shape but for their number and length.
        places: Of the rows of each part in the result; None puts one part after another.
    """
    if places is None:
        ends = np.cumsum([0, *map(len, parts)])
        places = [np.arange(a, b) for a, b in pairwise(ends)]
    count, first = sum(map(len, parts)), parts[0]
    shapes = {part.shape[1:] for part in parts}
    if len(shapes) == 1:  # of the layout of its parts, channels last where they are
        batch = torch.empty_like(first[:1].expand(count, *first.shape[1:]))
    else:
        batch = first.new_zeros(count, *map(max, zip(*shapes, strict=True)))
    for where, part in zip(places, parts, strict=True):
        sizes = [slice(size) for size in part.shape[1:]]
        own: tuple[Tensor | slice, ...] = (torch.from_numpy(where), *sizes)
        batch[own] = part
    return batch
