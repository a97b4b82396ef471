"""What was not tried, and why."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from autotransfer.report.markup import bullets, clean, joined, names, paragraph, table
from autotransfer.report.material import Material
from autotransfer.results import Skipped


def skipped_section(material: Material) -> Markup | None:
    """Return what was skipped by reason, what time has decided, and the warnings."""
    record = material.record
    parts = []
    if record.skipped:
        rows = [
            (Markup("{}").format(clean(reason, 1000)), len(pairs), names(pairs))
            for reason, pairs in by_reason(record.skipped).items()
        ]
        parts.append(table(("reason", "number", "which"), rows, "Not tried"))
    if record.stopped is not None:
        parts.append(paragraph(f"The search ended by itself: {record.stopped.reason}."))
    if record.forced:
        parts += [paragraph("Decided by the time alone:"), bullets(record.forced)]
    if record.warnings:
        parts += [paragraph("Notes and warnings:"), bullets(record.warnings)]
    return joined(parts) if parts else None


def by_reason(skipped: Sequence[Skipped]) -> dict[str, list[str]]:
    """Return what was skipped under each reason; the place in the ranking is no reason apart."""
    found: dict[str, list[str]] = {}
    for skip in skipped:
        short = "not in the shortlist" in skip.reason
        reason = "not in the shortlist" if short else skip.reason
        pair = (part for part in (skip.strategy, skip.source) if part != "*")
        found.setdefault(reason, []).append(" on ".join(pair))
    return found
