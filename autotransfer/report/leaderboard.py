"""All trials, the best first."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import pstdev

from markupsafe import Markup

from autotransfer.report.markup import Cell, clean, folded, joined, name, paragraph, table
from autotransfer.report.material import Material
from autotransfer.report.scale import Scale
from autotransfer.results import Outcome, Record, State

SHOWN = 10
MOST = 300  # rows in all; the records have the rest


def leaderboard_section(material: Material) -> Markup | None:
    """Return the trials by score, then those that were pruned or failed."""
    record, scale = material.record, Scale.of(material.record)
    if not record.outcomes:
        return None
    ordered = best_first(record.outcomes)
    spread = "worst domain" if record.verdict.domains else "± folds"
    head = ("", scale.title, "source", "strategy", "trial", spread, "s", "stage", "how it went",
            "parameters")  # fmt: skip
    rows = [_row(place, o, record, scale) for place, o in enumerate(ordered[:MOST], start=1)]
    parts = [table(head, rows[:SHOWN], "Leaderboard of the trials", kind="wide told")]
    if len(rows) > SHOWN:
        more = table(head, rows[SHOWN:], "More trials", kind="wide told")
        parts.append(folded(f"{len(rows) - SHOWN} more", more))
    if len(ordered) > MOST:
        rest = f"{len(ordered) - MOST} further ones are in selection.json."
        parts.append(paragraph(rest, "quiet"))
    trials = [o for o in record.outcomes if not o.probe]
    counts = ", ".join(f"{sum(o.state is state for o in trials)} {state}" for state in State)
    told = f"Probes: {len(ordered) - len(trials)}; trials: {counts}."
    return joined([*parts, paragraph(told, "quiet")])


def best_first(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return complete trials by score, equal ones by log loss; then the others by number."""

    def key(outcome: Outcome) -> tuple[float, ...]:
        if outcome.value is None:
            return float("inf"), outcome.number
        return -outcome.value, outcome.log_loss or 0.0, abs(outcome.number)

    return sorted(outcomes, key=key)


def _row(place: int, outcome: Outcome, record: Record, scale: Scale) -> list[Cell]:
    finalist = outcome.number == record.finalist.number
    params = ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in outcome.params.items()
    )
    title = Markup("<strong>{}, finalist</strong>") if finalist else Markup("{}")
    reason = clean(outcome.reason, 160)
    return [
        place,
        None if outcome.value is None else scale.shown(outcome.value),
        name(outcome.source),
        name(outcome.strategy),
        title.format(outcome.title),
        _spread(outcome, record, scale),
        f"{outcome.seconds:.1f}",
        None if outcome.layers is None else outcome.layers.stage,
        f"{outcome.state}: {reason}" if reason else str(outcome.state),
        clean(params),
    ]


def _spread(outcome: Outcome, record: Record, scale: Scale) -> Cell:
    """Return how the folds differ; where each is a domain, the score on the worst."""
    if len(outcome.fold_values) < 2:
        return None
    if record.verdict.domains:
        return scale.shown(min(outcome.fold_values))
    return pstdev(outcome.fold_values)
