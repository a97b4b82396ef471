"""Without target labels: what the validators say of each method."""

from __future__ import annotations

from markupsafe import Markup

from autotransfer.report.leaderboard import best_first
from autotransfer.report.markup import Cell, joined, name, paragraph, table
from autotransfer.report.material import Material
from autotransfer.results import Outcome, ScenarioKind

SHOWN = 12


def validators_section(material: Material) -> Markup | None:
    """Return the label-free scores of the best trial of each method and source."""
    record = material.record
    if record.scenario != ScenarioKind.UNLABELLED:
        return None
    best: dict[tuple[str, str], Outcome] = {}
    for outcome in best_first(record.outcomes):
        if outcome.validators:
            best.setdefault((outcome.source, outcome.strategy), outcome)
    if not best:
        return None
    names = list(dict.fromkeys(n for o in best.values() for n in o.validators))
    rows: list[list[Cell]] = [
        [o.number, name(o.source), name(o.strategy), *(o.validators.get(n) for n in names)]
        for o in list(best.values())[:SHOWN]
    ]
    told = (
        "No validator knows the truth. They are compared column by column; what is returned has "
        "to be preferred by at least two families of them, or source-only stays."
    )
    return joined([paragraph(told), table(("trial", "source", "strategy", *names), rows,
                                          "Label-free scores", kind="wide")])  # fmt: skip
