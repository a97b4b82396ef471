"""What every trial cost, and what it scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from autotransfer.report.figures import COLOURS, INK, OTHER, figure
from autotransfer.report.markup import clean
from autotransfer.report.material import Material
from autotransfer.report.scale import Scale
from autotransfer.results import Outcome

FASTEST = 0.01  # seconds; what is faster is drawn there


def cost_section(material: Material) -> Markup | None:
    """Return score against seconds of all trials; None where none is complete."""
    record, scale = material.record, Scale.of(material.record)
    tried = [o for o in record.outcomes if o.value is not None]
    if not tried:
        return None
    front = pareto(tried)

    def draw(axes: Axes, outcomes: Sequence[Outcome], *style: str, **more: Any) -> None:
        seconds = [max(o.seconds, FASTEST) for o in outcomes]
        axes.plot(seconds, [scale.shown(o.value or 0.0) for o in outcomes], *style, **more)

    def plot(axes: Axes) -> None:
        for place, strategy in enumerate(dict.fromkeys(o.strategy for o in tried)):
            draw(axes, [o for o in tried if o.strategy == strategy], "o",
                 color=COLOURS[place] if place < len(COLOURS) else OTHER,
                 alpha=0.75, markersize=6, markeredgewidth=0,
                 label=clean(strategy, 30) if place <= len(COLOURS) else None)  # fmt: skip
        draw(axes, front, color=INK, linewidth=1, drawstyle="steps-post", label="Pareto front")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("seconds of the trial")
        axes.set_ylabel(f"validation {scale.title}")
        axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.2), ncols=2)

    free = " Probes read features that the ranking had computed; their seconds lack these."
    told = "; ".join(
        f"{o.strategy} on {o.source} {scale.shown(o.value or 0.0):.3f} in {o.seconds:.1f} s"
        for o in front[-3:]
    )
    return figure(
        plot, key="cost", height=290,
        alt=f"Score against seconds of {len(tried)} complete trials. On the Pareto front: {told}",
        caption="Nothing above the line was reached in less time."
        + (free if any(o.probe for o in tried) else ""),
    )  # fmt: skip


def pareto(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return those that nothing beats in both score and seconds, the fastest first."""
    front: list[Outcome] = []
    best = float("-inf")
    for outcome in sorted(outcomes, key=lambda o: (o.seconds, -(o.value or 0.0))):
        if outcome.value is not None and outcome.value > best:
            best = outcome.value
            front.append(outcome)
    return front
