"""The verdict: did the transfer help, by how much, and what is returned."""

from __future__ import annotations

from markupsafe import Markup
from matplotlib.axes import Axes

from autotransfer.models.predictors.baselines import TITLES
from autotransfer.report.figures import COLOURS, FAINT, figure, label
from autotransfer.report.markup import (
    NOTHING,
    Cell,
    bullets,
    facts,
    joined,
    name,
    paragraph,
    table,
)
from autotransfer.report.material import Material
from autotransfer.report.scale import Scale
from autotransfer.results import Interval, Record

MEANINGS = {
    "positive": "Transfer helped: the whole interval of the gap lies above zero.",
    "neutral": "Transfer makes no difference that matters here.",
    "inconclusive": "These images cannot tell; more labelled ones would.",
    "negative": "Transfer did worse than a baseline, so the baseline is returned.",
    "unverified": "No target label was seen, so nothing could be tested.",
}


def verdict_section(material: Material) -> Markup:
    """Return verdict, scores, gaps and remarks."""
    record, scale = material.record, Scale.of(material.record)
    verdict, finalist = record.verdict, record.finalist
    decision, score = str(verdict.decision), finalist.value
    parts = [
        Markup('<p class="verdict {}"><strong>{}</strong> {}</p>').format(
            decision, decision, verdict.sentence
        ),
        paragraph(MEANINGS[decision], "quiet"),
        facts(
            [
                ("source", name(finalist.source)),
                ("strategy", name(finalist.strategy)),
                ("layers", _layers(record)),
                ("returned", _returned(record)),
                ("tested on", _tested_on(record)),
                ("validation score", NOTHING if score is None else f"{scale.shown(score):.3f}"),
            ],
        ),
    ]
    if len(record.members) > 1:
        head = ("weight", "source", "by", "stage")
        parts.append(table(head, _members(record), "What is returned is put together of"))
    if verdict.test is not None:
        parts.append(table(("predictor", scale.title), _scores(record, scale), "Tested scores"))
        parts.append(_gaps(record, scale))
    parts.append(bullets(verdict.remarks))
    return joined(parts)


def _members(record: Record) -> list[tuple[Cell, ...]]:
    return [
        (
            f"{member.weight:.3f}",
            name(member.source or "pixels"),
            name(member.strategy),
            None if member.layers is None else member.layers.stage,
        )
        for member in record.members
    ]


def _layers(record: Record) -> str:
    layers = record.finalist.layers
    if layers is None:
        return NOTHING
    return f"stage {layers.stage}; {layers.copied} stages copied, {layers.tuned} tuned"


def _returned(record: Record) -> Markup:
    if record.verdict.returned == "transfer":
        return Markup("the transferred model")
    best = record.verdict.best_baseline
    return Markup("the baseline {}").format(name(TITLES.get(best, best)))


def _tested_on(record: Record) -> str:
    test = record.verdict.test
    unit = "pictures" if record.zero_shot is None else "classes"
    counted = "" if test is None else f", {test.n} {unit}"
    return record.verdict.basis + counted


def _scores(record: Record, scale: Scale) -> list[tuple[str | Markup, str]]:
    verdict = record.verdict
    assert verdict.test is not None
    rows: list[tuple[str | Markup, str]] = [("finalist", scale.interval(verdict.test))]
    tested = [(b.test, b) for b in verdict.baselines if b.test is not None]
    for score, baseline in sorted(tested, key=lambda pair: -pair[0]):
        stopped = "" if baseline.whole else ", stopped after a fold"
        named = TITLES.get(baseline.name, baseline.name)
        rows.append((name(named), f"{scale.shown(score):.3f}{stopped}"))
    return rows


def _gaps(record: Record, scale: Scale) -> Markup:
    """Return both gaps with their intervals, beside zero."""
    verdict = record.verdict
    rows: list[tuple[str, Interval]] = []
    if verdict.gap is not None:
        best = TITLES.get(verdict.best_baseline, verdict.best_baseline)
        rows.append((f"against {best}", verdict.gap))
    if verdict.gap_reference is not None:
        rows.append(("against a probe on the default source", verdict.gap_reference))
    if not rows:
        return Markup("")

    def plot(axes: Axes) -> None:
        for place, (title, gap) in enumerate(rows):
            y = -place
            low, high = scale.difference(gap.low), scale.difference(gap.high)
            axes.plot([low, high], [y, y], color=COLOURS[0], linewidth=3)
            axes.plot([scale.difference(gap.value)], [y], "o", color=COLOURS[0], markersize=7)
            label(axes, 0.0, y + 0.2, title, transform=axes.get_yaxis_transform(), va="bottom")
        axes.axvline(0, color=FAINT, linewidth=1.2)
        axes.set_yticks([])
        axes.set_ylim(-len(rows) + 0.6, 0.75)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(f"gap in {scale.unit or 'units'}; right of zero is better")

    told = "; ".join(f"{title} {scale.gap(gap)}" for title, gap in rows)
    detectable = verdict.minimum_detectable
    caption = "Dots are the measured gaps, bars their 95 % intervals."
    if detectable is not None:
        caption += (
            f" A true gap of {scale.difference(detectable):.1f} {scale.unit} would be found four "
            "times out of five."
        )
    return figure(
        plot, key="gap", height=50 + 48 * len(rows), alt=f"Gap of the finalist: {told}",
        caption=caption,
    )  # fmt: skip
