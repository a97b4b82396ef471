"""How much of an answer comes from which source."""

from __future__ import annotations

from autotransfer.results import Record

PIXELS = "pixels"  # of a member that reads no source


def source_weights(record: Record) -> dict[str, float]:
    """Return the weight of each source of the answer, the greatest first; they sum to one."""
    weights: dict[str, float] = {}
    for member in record.chosen:
        source = member.source or PIXELS
        weights[source] = weights.get(source, 0.0) + member.weight
    return dict(sorted(weights.items(), key=lambda pair: -pair[1]))


def sources_told(record: Record) -> str:
    """Return "network", "network and pixels", or "network and 3 more"."""
    first, *others = source_weights(record)
    if not others:
        return first
    return f"{first} and {others[0] if len(others) == 1 else f'{len(others)} more'}"
