"""The verdict: did the transfer help, by how much, and what is returned."""

from __future__ import annotations

from markupsafe import Markup
from matplotlib.axes import Axes

from autotransfer.models.predictors.baselines import TITLES
from autotransfer.report.figures import FAINT, Bar, figure, intervals
from autotransfer.report.markup import NOTHING, bullets, facts, folded, joined, name, table
from autotransfer.report.material import Material
from autotransfer.report.scale import Scale, tested_units
from autotransfer.results import Record
from autotransfer.shares import PIXELS, sources_told

MEMBERS = 6  # of the answer that are not folded


def verdict_section(material: Material) -> Markup:
    """Return verdict, scores, gaps and remarks."""
    record, scale = material.record, Scale.of(material.record)
    verdict, finalist = record.verdict, record.finalist
    score, alone, test = finalist.value, len(record.chosen) == 1, verdict.test
    counted = "" if test is None else f", {test.n} {tested_units(record)}"
    told = [
        ("source", name(sources_told(record))),
        ("strategy", name(finalist.strategy)),
        *([("layers", finalist.layers.told)] if alone and finalist.layers else []),
        ("returned", returned_told(record)),
        ("tested on", verdict.basis + counted),
        ("validation score", NOTHING if score is None else f"{scale.shown(score):.3f}"),
    ]
    parts = [facts(told)]
    if test is not None:
        parts.append(table(("predictor", scale.title), _scores(record, scale), "Tested scores"))
        parts.append(_gaps(record, scale))
    parts += [bullets(verdict.remarks), *_members(record)]
    return joined(parts)


def _members(record: Record) -> list[Markup]:
    """Return what the finalist is put together of; of many the first, the others folded."""
    rows = [
        (f"{m.weight:.3f}", name(m.source or PIXELS), name(m.strategy),
         None if m.layers is None else m.layers.told)
        for m in record.chosen
    ]  # fmt: skip
    if len(rows) < 2:
        return []
    head = ("weight", "source", "by", "layers")
    first = table(head, rows[:MEMBERS], "The finalist is put together of")
    rest = table(head, rows[MEMBERS:], "Its other members")
    more = [folded(f"{len(rows) - MEMBERS} more", rest)] if len(rows) > MEMBERS else []
    return [first, *more]


def returned_told(record: Record) -> Markup:
    """Return in a few words what the fit returns."""
    if record.verdict.returned == "transfer":
        return Markup("the transferred model")
    best = record.verdict.returned_baseline or record.verdict.best_baseline
    return Markup("the baseline {}").format(name(TITLES.get(best, best)))


def _scores(record: Record, scale: Scale) -> list[tuple[str | Markup, str]]:
    verdict = record.verdict
    assert verdict.test is not None
    rows: list[tuple[str | Markup, str]] = [("finalist", scale.interval(verdict.test))]
    for left_out in sorted(verdict.domains, key=lambda found: found.test):
        title = Markup("left-out domain {}").format(name(left_out.name))
        rows.append((title, f"{scale.shown(left_out.test):.3f}"))
    tested = [(b.test, b) for b in verdict.baselines if b.test is not None]
    for score, baseline in sorted(tested, key=lambda pair: -pair[0]):
        stopped = "" if baseline.whole else ", stopped after a fold"
        named = TITLES.get(baseline.name, baseline.name)
        rows.append((name(named), f"{scale.shown(score):.3f}{stopped}"))
    return rows


def _gaps(record: Record, scale: Scale) -> Markup:
    """Return both gaps with their intervals, beside zero."""
    verdict = record.verdict
    best = TITLES.get(verdict.best_baseline, verdict.best_baseline)
    gaps = {
        f"against {best}": verdict.gap,
        "against a probe on the default source": verdict.gap_reference,
    }
    rows = [(title, gap) for title, gap in gaps.items() if gap is not None]
    if not rows:
        return Markup("")

    def plot(axes: Axes) -> None:
        bars = [
            Bar(title, scale.difference(gap.low), scale.difference(gap.value),
                scale.difference(gap.high))
            for title, gap in rows
        ]  # fmt: skip
        intervals(axes, bars, lift=0.2, top=0.75)
        axes.axvline(0, color=FAINT, linewidth=1.2)
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
