"""The report of a fit: one HTML file that needs nothing else, on a phone as on a desk."""

from __future__ import annotations

from autotransfer.report.material import Material, Predicted
from autotransfer.report.page import report_faults

__all__ = ["Material", "Predicted", "report_faults"]
