"""The best score so far, against the time that was spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from markupsafe import Markup
from matplotlib.axes import Axes

from autotransfer.report.figures import COLOURS, figure
from autotransfer.report.material import Material
from autotransfer.report.scale import Scale
from autotransfer.results import Outcome
from autotransfer.search.progress_forecast import curve


def progress_section(material: Material) -> Markup | None:
    """Return the curve of the best score; None where it never rose."""
    record, scale = material.record, Scale.of(material.record)
    outcomes = timed(record.outcomes)
    points = curve(outcomes)
    if not points:
        return None
    end = max(o.elapsed for o in outcomes)
    seconds = [*(at for at, _ in points), end]
    scores = [*(scale.shown(value) for _, value in points), scale.shown(points[-1][1])]

    def plot(axes: Axes) -> None:
        axes.plot(seconds, scores, color=COLOURS[0], drawstyle="steps-post", linewidth=2)
        axes.plot(seconds[:-1], scores[:-1], "o", color=COLOURS[0], markersize=5)
        axes.set_xlabel("seconds since the fit began")
        axes.set_ylabel(f"best validation {scale.title}")

    first, last = points[0], points[-1]
    alt = (
        f"Best score so far: {scale.shown(first[1]):.3f} after {first[0]:.0f} s, "
        f"{scale.shown(last[1]):.3f} from {last[0]:.0f} s on, until {end:.0f} s"
    )
    return figure(
        plot, key="progress", height=220, alt=alt,
        caption="A curve that has been flat for half of its length says that more time would "
        "hardly buy more.",
    )  # fmt: skip


def timed(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes with the time of their end; where it is not on record, the sum so far.

    Without target labels trials run one after another and have only their own seconds.
    """
    spent, found = 0.0, []
    for outcome in outcomes:
        spent = max(spent, outcome.elapsed) if outcome.elapsed else spent + outcome.seconds
        found.append(replace(outcome, elapsed=spent))
    return found
