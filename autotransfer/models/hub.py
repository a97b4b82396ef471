"""Weights hubs: used when they can be reached, and given up at once when they cannot."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from huggingface_hub import constants

PATIENCE_SECONDS = 3.0  # for a hub to take a connection: a firewall may say nothing at all
REMEMBERED_SECONDS = 60.0  # a hub that was away is not asked again before that
_away: dict[str, float] = {}  # `time.monotonic()` at which a hub was found to be away


def reachable() -> bool:
    """Return whether the hub takes connections; a proxy is trusted to know it."""
    if urllib.request.getproxies():
        return True
    place, now = urlsplit(constants.ENDPOINT), time.monotonic()
    if now - _away.get(constants.ENDPOINT, -REMEMBERED_SECONDS) < REMEMBERED_SECONDS:
        return False
    port = place.port or (80 if place.scheme == "http" else 443)
    try:
        socket.create_connection((place.hostname or "", port), PATIENCE_SECONDS).close()
    except OSError:
        _away[constants.ENDPOINT] = now
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
