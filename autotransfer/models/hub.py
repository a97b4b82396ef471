"""Weights hubs: used when they can be reached, and given up at once when they cannot."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from huggingface_hub import constants


def reachable() -> bool:
    """Return whether the name of the hub can be resolved; a proxy is trusted to know it."""
    if urllib.request.getproxies():
        return True
    try:
        socket.getaddrinfo(urlsplit(constants.ENDPOINT).hostname, 443)
    except OSError:
        return False
    return True


@contextmanager
def cached_only_when_unreachable() -> Iterator[None]:
    """Within the block, read weights fetched before when there is no network.

    The hub's client would retry each file for about 50 s, and then look in the same cache.
    """
    before = constants.HF_HUB_OFFLINE
    if not before and not reachable():
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
