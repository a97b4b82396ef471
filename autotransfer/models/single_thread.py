"""Small linear algebra on one thread: more of them cost more than they give."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


def single_thread() -> AbstractContextManager[object]:
    """Limit BLAS to one thread in a `with` block.

    A decomposition of a few hundred rows takes milliseconds; on a busy machine waiting for a
    second thread takes ten times that.
    """
    limits: AbstractContextManager[object] = _controller().limit(limits=1)
    return limits


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looking for the libraries takes milliseconds: once
