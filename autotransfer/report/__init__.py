"""The report of a fit: one HTML file that needs nothing else, on a phone as on a desk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from autotransfer.report.material import Material, Predicted
from autotransfer.results import Record

__all__ = ["Material", "Predicted", "report_faults"]


def report_faults(
    folder: Path,
    record: Record,
    gather: Callable[[Record], Material],
    deadline: float | None = None,
) -> tuple[str, ...]:
    """Write the report, and return what did not work; see `report.page`."""
    from autotransfer.report import page  # what draws charts takes a second to import

    return page.report_faults(folder, record, gather, deadline)
