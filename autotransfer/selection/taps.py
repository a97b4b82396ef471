"""Which features of which sources a predictor reads."""

from __future__ import annotations

from dataclasses import dataclass

from autotransfer.errors import InvalidOptionError
from autotransfer.models.source import Source
from autotransfer.search.checkpoint import Checkpoint


@dataclass(frozen=True)
class Tap:
    """A source and the stage whose pooled output is read; None is the last one."""

    source: Source
    stage: int | None


def taps_of(kept: Checkpoint) -> tuple[Tap, ...]:
    """Return what is read of each source, the one that counts most first, each once.

    Raises:
        InvalidOptionError: If what is returned reads no source.
    """
    read = [] if kept.source is None else [kept.source, *kept.predictor.companions]
    by_name = {source.name: source for source in read}
    found = [
        Tap(by_name[share.source], None if share.layers is None else share.layers.stage)
        for share in kept.members
        if share.source in by_name
    ]
    if not found:
        raise InvalidOptionError(
            f"there are no frozen features: what was returned ({kept.strategy}) reads no source"
        )
    return tuple({(tap.source.name, tap.stage): tap for tap in found}.values())
