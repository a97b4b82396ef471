"""When a batch does not fit in the memory of the device: it is shown in halves, once.

The gradients of the halves are added up, so a step still learns from as many images at the same
rate. What changes: batch norm that learns sees the statistics of half a batch, and mixup finds
its pairs within a half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

HALVES = 2
_SMALLEST = 4  # images of a batch that is halved: one alone has no batch statistics
REMARK = "a batch did not fit in memory and was shown in halves"

_remarks: ContextVar[list[str] | None] = ContextVar("remarks", default=None)


@contextmanager
def collected_remarks() -> Iterator[list[str]]:
    """Yield a list that is filled with what trainings in the block could not do as asked."""
    found: list[str] = []
    token = _remarks.set(found)
    try:
        yield found
    finally:
        _remarks.reset(token)


def fitted(learn: Callable[[int], None], *, pieces: int, size: int) -> int:
    """Learn from a batch, in halves where it does not fit; return in how many pieces it went.

    Args:
        learn: Computes the gradient of the batch in so many pieces; it may be called again.
        pieces: 1, or 2 where an earlier batch of this training did not fit.
        size: Number of images of the batch.

    Raises:
        torch.OutOfMemoryError: If the halves do not fit either.
    """
    try:
        learn(min(pieces, size))
    except torch.OutOfMemoryError:
        if pieces == HALVES or size < _SMALLEST:
            raise
    else:
        return pieces
    # not in the block above: there the error keeps the tensors of the attempt alive
    torch.cuda.empty_cache()
    learn(HALVES)
    remark(REMARK)
    return HALVES


def remark(text: str) -> None:
    """Tell of a trial what it could not do as asked; without effect outside of one."""
    found = _remarks.get()
    if found is not None and text not in found:
        found.append(text)
