"""The description of a fit on its MLflow page, in Markdown."""

from __future__ import annotations

import html
import re

from autotransfer.results import Interval, Record
from autotransfer.tracking.projection import one_line, shown

SHOWN_ROWS = 8  # of the ranking, of what was skipped and of the warnings
NOTE_LENGTH = 7500  # characters; MLflow takes 8000


def note(record: Record) -> str:
    """Return winner and score, then the verdict: MLflow shows three lines before "Show more"."""
    verdict, finalist, test = record.verdict, record.finalist, record.verdict.test
    name = escaped(record.metric)
    parts = [
        f"**{escaped(finalist.source)}** · {escaped(finalist.strategy)} · "
        + ("no target labels" if test is None else f"{name} **{_interval(test, record.metric)}**"),
        f"**{verdict.decision}**: {escaped(verdict.sentence.rstrip('.'))}. "
        f"Returned: {escaped(verdict.returned)}.",
        "\n".join(f"- {escaped(remark)}" for remark in verdict.remarks),
        _table(
            ("predictor", name),
            [
                *([] if test is None else [("finalist", _shown(test.value, record.metric))]),
                *((b.name, _shown(b.test, record.metric)) for b in verdict.baselines),
            ],
        ),
        _table(
            ("rank", "source", "score"),
            [(str(row.rank), row.source, f"{row.score:.2f}") for row in record.ranking.rows],
        ),
        _table(
            ("not tried", "with", "because"),
            [(skip.source, skip.strategy, skip.reason) for skip in record.skipped],
        ),
        "\n".join(f"- {escaped(text)}" for text in record.warnings[:SHOWN_ROWS]),
    ]
    text = "\n\n".join(part for part in parts if part)
    return text if len(text) <= NOTE_LENGTH else text[:NOTE_LENGTH] + " …"


def escaped(text: str) -> str:
    """Return text that Markdown and HTML take as it stands, on one line of bounded length."""
    plain = html.escape(one_line(text, 200), quote=False)
    return re.sub(r"([\\`*_\[\]|~#!])", r"\\\1", plain)


def _shown(score: float | None, metric: str) -> str:
    return "unknown" if score is None else f"{shown(score, metric):.3f}"


def _interval(interval: Interval, metric: str) -> str:
    low, high = sorted((shown(interval.low, metric), shown(interval.high, metric)))
    return f"{shown(interval.value, metric):.3f} [{low:.3f}, {high:.3f}]"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table of the first rows, nothing where there are none."""
    if not rows:
        return ""
    lines = [_row(head), _row(tuple("---" for _ in head))]
    lines += [_row(tuple(escaped(cell) for cell in row)) for row in rows[:SHOWN_ROWS]]
    if len(rows) > SHOWN_ROWS:
        lines.append(_row((f"and {len(rows) - SHOWN_ROWS} more", *[""] * (len(head) - 1))))
    return "\n".join(lines)


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"
