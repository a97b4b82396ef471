"""Which sources of plugins take part: those that the user names, or all on request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from autotransfer.errors import InvalidSourceError
from autotransfer.models.source import Source

EVERY = "plugins"  # as a source: all that plugins offer
T = TypeVar("T")


def taking_part(
    items: Sequence[T], only: Sequence[str], offered: Sequence[Source]
) -> tuple[list[T], list[Source]]:
    """Return what was requested beside the sources of plugins, and those of them that were named.

    Args:
        items: What was requested: "plugins" is all of them, a name of one is that one.
        only: Names to keep; one of a plugin's source names it as well.
        offered: The sources that plugins offer.

    Raises:
        InvalidSourceError: If all are asked for, and no plugin offers any.
    """
    every = any(isinstance(item, str) and item == EVERY for item in items)
    if every and not offered:
        raise InvalidSourceError(
            "sources 'plugins': no plugin offers a source; `autotransfer plugins` lists what "
            "there is, --plugin FILE adds one"
        )
    named = {item for item in items if isinstance(item, str)} | set(only)
    joined = [source for source in offered if every or source.name in named]
    theirs = {EVERY, *(source.name for source in joined)}
    rest = [item for item in items if not (isinstance(item, str) and item in theirs)]
    return rest, joined


def told_left_out(offered: Sequence[Source], chosen: Sequence[Source]) -> str:
    """Return which sources of plugins do not take part, and how they would; empty for none.

    Args:
        offered: The sources that plugins offer.
        chosen: The sources that take part.
    """
    names = {source.name for source in chosen}
    left = [source.name for source in offered if source.name not in names]
    if not left:
        return ""
    return (
        f"{len(left)} source(s) of plugins take no part: {', '.join(left)}; "
        "--sources NAME takes one, --sources plugins all"
    )
