"""The stage curve: where in the chosen source the useful features lie."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from autotransfer.report.figures import COLOURS, figure
from autotransfer.report.material import Material
from autotransfer.report.scale import Scale
from autotransfer.results import Outcome, Record

Curve = list[tuple[int, float]]
MOST_OTHERS = 4  # curves beside those of the chosen source


def stages_section(material: Material) -> Markup | None:
    """Return the probes' scores at each stage; None where fewer than two stages have one."""
    record, scale = material.record, Scale.of(material.record)
    probed = probe_curve(record.outcomes, record.finalist.source)
    ranked = ranking_curve(record)
    if max(len(probed), len(ranked)) < 2:
        return None
    further = [(name, ranking_curve(record, name)) for name in other_sources(record)]

    of = f", {record.finalist.source}" if further else ""

    def plot(axes: Axes) -> None:
        if len(probed) > 1:
            values = [scale.shown(value) for _, value in probed]
            axes.plot([s for s, _ in probed], values, "o-", color=COLOURS[0],
                      label=f"probes of the search{of}")  # fmt: skip
        if len(ranked) > 1:
            axes.plot(*zip(*ranked, strict=True), "s--", color=COLOURS[1],
                      label=f"ridge probe of the ranking{of}")  # fmt: skip
        for (name, curve), colour in zip(further, COLOURS[2:], strict=False):
            axes.plot(*zip(*curve, strict=True), "^:", color=colour, label=f"{name}, ridge probe")
        axes.set_xlabel("stage; 1 is next to the pixels")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylabel(scale.title if len(probed) > 1 else "accuracy")
        axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.2))

    shown = [(s, scale.shown(v)) for s, v in probed] if len(probed) > 1 else ranked
    told = ", ".join(f"stage {stage} {value:.3f}" for stage, value in shown)
    return figure(
        plot, key="stages", height=220 + 15 * len(further),
        alt=f"Probe score by stage of {record.finalist.source}: {told}",
        caption="Where the last stages are no better than earlier ones, the end of the source is "
        "special to what it was trained on."
        + (" Dotted are the other sources of the answer." if further else ""),
    )  # fmt: skip


def probe_curve(outcomes: Sequence[Outcome], source: str) -> Curve:
    """Return (stage, best score) over the probes of a source."""
    best: dict[int, float] = {}
    for o in outcomes:
        if o.source == source and o.probe and o.layers is not None and o.value is not None:
            best[o.layers.stage] = max(best.get(o.layers.stage, o.value), o.value)
    return sorted(best.items())


def other_sources(record: Record) -> list[str]:
    """Return the further sources of the answer that have a curve, the greatest weight first."""
    names = dict.fromkeys(member.source for member in record.chosen if member.source)
    names.pop(record.finalist.source, None)
    return [name for name in names if len(ranking_curve(record, name)) > 1][:MOST_OTHERS]


def ranking_curve(record: Record, source: str = "") -> Curve:
    """Return (stage, leave-one-out accuracy) as the ranking saw a source; the chosen one."""
    for row in record.ranking.rows:
        if row.source == (source or record.finalist.source):
            accuracies = enumerate(row.stage_accuracies, start=1)
            return [(stage, value) for stage, value in accuracies if value is not None]
    return []
