"""What every trial cost, and what it scored."""

from __future__ import annotations

from collections.abc import Sequence

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

    def plot(axes: Axes) -> None:
        names = list(dict.fromkeys(o.strategy for o in tried))
        for place, strategy in enumerate(names):
            colour = COLOURS[place] if place < len(COLOURS) else OTHER
            points = [o for o in tried if o.strategy == strategy]
            axes.plot(
                [max(o.seconds, FASTEST) for o in points],
                [scale.shown(o.value or 0.0) for o in points],
                "o", color=colour, alpha=0.75, markersize=6, markeredgewidth=0,
                label=clean(strategy, 30) if place <= len(COLOURS) else None,
            )  # fmt: skip
        axes.plot([max(o.seconds, FASTEST) for o in front],
                  [scale.shown(o.value or 0.0) for o in front],
                  color=INK, linewidth=1, drawstyle="steps-post",
                  label="Pareto front")  # fmt: skip
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("seconds of the trial")
        axes.set_ylabel(f"validation {scale.title}")
        axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.2), ncols=2)

    free = ""
    if any(outcome.probe for outcome in tried):
        free = " Probes read features that the ranking had computed; their seconds lack these."
    told = "; ".join(
        f"{o.strategy} on {o.source} {scale.shown(o.value or 0.0):.3f} in {o.seconds:.1f} s"
        for o in front[-3:]
    )
    return figure(
        plot, key="cost", height=290,
        alt=f"Score against seconds of {len(tried)} complete trials. On the Pareto front: {told}",
        caption="Nothing above the line was reached in less time." + free,
    )  # fmt: skip


def pareto(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return those that nothing beats in both score and seconds, the fastest first."""
    front: list[Outcome] = []
    for outcome in sorted(outcomes, key=lambda o: (o.seconds, -(o.value or 0.0))):
        if not front or _score(outcome) > _score(front[-1]):
            front.append(outcome)
    return front


def _score(outcome: Outcome) -> float:
    return float("-inf") if outcome.value is None else outcome.value
