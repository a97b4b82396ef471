"""The description of a fit on its MLflow page, in Markdown."""

from __future__ import annotations

import html
import re
from collections import Counter

from autotransfer.results import Interval, Record, State
from autotransfer.shares import sources_told
from autotransfer.tracking.projection import one_line, shown

SHOWN_ROWS = 8  # of the ranking, of what was skipped and of the warnings
NOTE_LENGTH = 7500  # characters; MLflow takes 8000
SENTENCE = 600  # of a verdict or a remark, which are ours and say everything at their end


def note(record: Record) -> str:
    """Return winner and score, then the verdict: MLflow shows three lines before "Show more"."""
    verdict, finalist, test = record.verdict, record.finalist, record.verdict.test
    name = escaped(record.metric)
    members: list[tuple[str, ...]] = [
        (f"{m.weight:.2f}", m.source or "pixels", m.strategy, m.layers.told if m.layers else "")
        for m in record.chosen
    ]
    parts = [
        f"**{escaped(sources_told(record))}** · {escaped(finalist.strategy)} · "
        + ("no target labels" if test is None else f"{name} **{_interval(test, record.metric)}**"),
        f"**{verdict.decision}**: {escaped(verdict.sentence.rstrip('.'), SENTENCE)}. "
        f"Returned: {escaped(verdict.returned)}.",
        _story(record),
        "\n".join(f"- {escaped(remark, SENTENCE)}" for remark in verdict.remarks),
        _table(
            ("predictor", name),
            [
                *([] if test is None else [("finalist", _shown(test.value, record.metric))]),
                *((b.name, _shown(b.test, record.metric)) for b in verdict.baselines),
            ],
        ),
        _table(("weight", "source", "by", "layers"), members if len(members) > 1 else []),
        _table(
            ("rank", "source", "score"),
            [(str(row.rank), row.source, f"{row.score:.2f}") for row in record.ranking.rows],
        ),
        _table(
            ("not tried", "with", "because"),
            [(skip.source, skip.strategy, skip.reason) for skip in record.skipped],
        ),
        "\n".join(f"- {escaped(text)}" for text in record.warnings[:SHOWN_ROWS]),
        _next(record),
    ]
    text = "\n\n".join(part for part in parts if part)
    return text if len(text) <= NOTE_LENGTH else text[:NOTE_LENGTH] + " …"


def _story(record: Record) -> str:
    """Return what was done to find it, in sentences."""
    rows, states = record.ranking.rows, Counter(o.state for o in record.outcomes if not o.probe)
    images = max((row.num_images for row in rows), default=0)
    counts = ", ".join(f"{states[state]} {state}" for state in State)
    probes = sum(outcome.probe for outcome in record.outcomes)
    names = ", ".join(escaped(name) for name in record.ranking.shortlist)
    told = [
        f"{len(rows)} source(s) were ranked on {images} items of {len(record.class_names)} "
        f"classes; searched: {names}.",
        f"{probes} probes (table `probes.csv`); trials, the runs below this one: {counts}.",
        f"It took {record.seconds.total:.0f} s: ranking {record.seconds.rank:.0f}, search "
        f"{record.seconds.search:.0f}, test {record.seconds.guard:.0f}.",
    ]
    known = record.provenance
    if "source.license" in known:
        trained = escaped(known.get("source.pretrained_on", "unknown"))
        licence = escaped(known["source.license"])
        told.append(f"The source was trained on {trained}; licence {licence}.")
    return " ".join(told)


def _next(record: Record) -> str:
    """Return how the result is used."""
    if record.run_id is None:
        return ""
    model = one_line(record.model.replace("`", ""), 300)
    return (
        f"Use it: `mlflow.pyfunc.load_model('runs:/{record.run_id}/model')` takes paths of "
        f"items; `autotransfer predict {model} IMAGES` does the same."
    )


def escaped(text: str, length: int = 200) -> str:
    """Return text that Markdown and HTML take as it stands, on one line of bounded length."""
    plain = html.escape(one_line(text, length), quote=False)
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
