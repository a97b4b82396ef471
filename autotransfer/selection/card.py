"""A selection at a glance: a dozen lines in a terminal, a small card in a notebook."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from markupsafe import Markup

from autotransfer.models.metrics import METRICS
from autotransfer.report.scale import tested_units
from autotransfer.results import Record

WIDTH = 88  # characters of a line
MEMBERS, SOURCES = 3, 5  # that are named; of the others there is the number
_CLASSES = 60  # characters of the names of the classes
_BASES: Mapping[str, str] = {"held-out items": " held out", "out-of-fold": " out of fold"}
_COLOURS: Mapping[str, str] = {  # readable on white and on black
    "positive": "#2e8b57", "negative": "#c0504d", "neutral": "#808080",
    "inconclusive": "#b8860b", "unverified": "#808080",
}  # fmt: skip


def text_card(record: Record) -> str:
    """Return what was found, in at most twelve lines."""
    verdict = record.verdict
    sentence = textwrap.wrap(" ".join(verdict.sentence.split()), WIDTH - 2)
    if len(sentence) > 3:
        sentence = [*sentence[:2], textwrap.shorten(" ".join(sentence[2:]), WIDTH - 2)]
    lines = [f"  {label:<9}{_cut(text, WIDTH - 11)}" for label, text in _facts(record)]
    head = f"<Selection {_cut(record.name, 60)!r}: {verdict.decision}"
    return "\n".join([head, *(f"  {line}" for line in sentence), *lines]) + ">"


def html_card(record: Record) -> str:
    """Return the same as HTML, everything from outside escaped."""
    verdict = record.verdict
    row = Markup('<tr><th style="text-align:left">{}</th><td style="text-align:left">{}</td></tr>')
    rows = Markup("").join(row.format(label, text) for label, text in _facts(record))
    return str(
        Markup(
            '<div style="border:1px solid {colour};border-left-width:6px;border-radius:4px;'
            'padding:.6em 1em;max-width:46em"><div><strong style="color:{colour}">{decision}'
            "</strong> &middot; {name}</div><div>{sentence}</div><table>{rows}</table></div>"
        ).format(
            colour=_COLOURS[verdict.decision],
            decision=str(verdict.decision),
            name=record.name,
            sentence=verdict.sentence,
            rows=rows,
        )
    )


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    """Yield up to eight pairs of a label and a line."""
    verdict, metric = record.verdict, METRICS.get(record.metric)
    if verdict.test is not None and metric is not None:
        shown = metric.display
        low, high = sorted((shown(verdict.test.low), shown(verdict.test.high)))
        yield (
            "score",
            f"{shown(verdict.test.value):.3f} {metric.title}, 95 % {low:.3f} to {high:.3f}, "
            f"{verdict.test.n} {tested_units(record)}{_BASES.get(verdict.basis, '')}",
        )
    chosen = record.chosen
    if len(chosen) == 1:
        yield "chosen", chosen[0].told
    for i, member in enumerate(chosen[:MEMBERS] if len(chosen) > 1 else ()):
        more = f" and {len(chosen) - MEMBERS} more" if i == MEMBERS - 1 < len(chosen) - 1 else ""
        yield "" if i else "chosen", f"{member.weight:.2f} {member.told}{more}"
    if verdict.returned != "transfer":
        yield "returned", f"baseline {verdict.returned_baseline or verdict.best_baseline}"
    rows = record.ranking.rows
    more = f", and {len(rows) - SOURCES} more" if len(rows) > SOURCES else ""
    yield "ranking", ", ".join(row.source for row in rows[:SOURCES]) + more
    yield "classes", f"{len(record.class_names)}: {_cut(', '.join(record.class_names), _CLASSES)}"
    yield "folder", record.model


def _cut(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
