"""Where the time went."""

from __future__ import annotations

from collections import defaultdict

from markupsafe import Markup

from autotransfer.report.markup import bar, joined, name, paragraph, table
from autotransfer.report.material import Material
from autotransfer.results import Record


def spending_section(material: Material) -> Markup | None:
    """Return seconds of the parts of the fit, and of the strategies within the search."""
    record = material.record
    total = record.seconds.total
    if total <= 0:
        return None
    parts = [_bars(parts_of(record), total, ("part", "seconds", "share", ""), "Seconds by part")]
    if record.seconds.features:
        told = f"Forward passes of frozen sources took {record.seconds.features:.1f} s of it."
        parts.append(paragraph(told, "quiet"))
    strategies = by_strategy(record)
    spent = sum(strategies.values())
    if spent > 0:
        head = ("strategy", "seconds", "of the trials", "")
        parts.append(_bars(strategies, spent, head, "Seconds of the trials by strategy"))
    return joined(parts)


def parts_of(record: Record) -> dict[str, float]:
    """Return the seconds of each part; they add up to the total."""
    seconds = record.seconds
    named = {"ranking": seconds.rank, "search": seconds.search, "guard": seconds.guard}
    rest = max(seconds.total - sum(named.values()), 0.0)
    return {**named, "opening, checking and the rest": rest}


def by_strategy(record: Record) -> dict[str, float]:
    """Return the seconds of all trials of each strategy, the longest first."""
    found: defaultdict[str, float] = defaultdict(float)
    for outcome in record.outcomes:
        found[outcome.strategy] += outcome.seconds
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _bars(parts: dict[str, float], total: float, head: tuple[str, ...], caption: str) -> Markup:
    rows = [
        (name(title), f"{seconds:.1f}", f"{100 * seconds / total:.0f} %", bar(seconds / total))
        for title, seconds in parts.items()
    ]
    return table(head, rows, caption)
