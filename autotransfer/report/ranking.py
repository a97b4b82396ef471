"""The ranking of the sources, with how sure it is."""

from __future__ import annotations

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from autotransfer.report.figures import COLOURS, OTHER, figure, label
from autotransfer.report.markup import folded, joined, name, paragraph, table
from autotransfer.report.material import Material
from autotransfer.results import RankedSource, Ranking

MOST_DRAWN = 25  # sources; the table has them all
_ROW = 27  # units of height of a source


def ranking_section(material: Material) -> Markup | None:
    """Return the rank chart and its table."""
    ranking, chosen = material.record.ranking, material.record.finalist.source
    if not ranking.rows:
        return None
    drawn = ranking.rows[:MOST_DRAWN]

    def plot(axes: Axes) -> None:
        for place, row in enumerate(drawn):
            y = -place
            inside = row.source in ranking.shortlist
            colour = COLOURS[0] if inside else OTHER
            axes.plot([row.rank_low, row.rank_high], [y, y], color=colour, linewidth=3)
            marker = "D" if row.source == chosen else "o"
            axes.plot([row.rank], [y], marker, color=colour, markersize=7)
            mark = " (chosen)" if row.source == chosen else ""
            across = axes.get_yaxis_transform()
            label(axes, 0.0, y + 0.17, row.source + mark, transform=across, va="bottom")
        axes.set_yticks([])
        axes.set_ylim(-len(drawn) + 0.6, 0.9)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("rank, 1 is best")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    left_out = len(ranking.rows) - len(drawn)
    caption = (
        "Bars hold 90 % of the ranks over half samples of the images. Blue sources were "
        "searched; the diamond is the one that was chosen."
        + (f" {left_out} more sources are in the table." if left_out else "")
    )
    best = ", ".join(f"{row.rank} {row.source}" for row in drawn[:3])
    alt = f"Ranks of {len(ranking.rows)} sources with intervals; the first are {best}"
    chart = figure(plot, key="rank", height=45 + _ROW * len(drawn), alt=alt, caption=caption)
    return joined([chart, _constant(ranking), folded("All sources and scores", _table(ranking))])


def _constant(ranking: Ranking) -> Markup:
    if not ranking.constant_choice:
        return Markup("")
    return paragraph(
        Markup("Without looking at the target one would have taken {}.").format(
            name(ranking.constant_choice)
        )
    )


def _table(ranking: Ranking) -> Markup:
    estimators = list(dict.fromkeys(n for row in ranking.rows for n in row.estimators))
    head = ("rank", "source", "ranks", "probe", "within a point", "pictures", "MB", *estimators)
    rows = [_row(row, estimators, row.source in ranking.shortlist) for row in ranking.rows]
    return table(head, rows, "Sources and transferability scores", kind="wide")


def _row(
    row: RankedSource,
    estimators: list[str],
    searched: bool,  # noqa: FBT001 - a fact of the row
) -> list[str | int | float | None]:
    shown: str | Markup = name(row.source)
    if searched:
        shown = Markup("<strong>{}</strong>").format(shown)
    accuracies = row.stage_accuracies
    return [
        row.rank,
        shown,
        f"{row.rank_low} to {row.rank_high}",
        accuracies[row.stage - 1] if accuracies else None,
        row.within_a_point,
        row.num_images,
        f"{row.megabytes:.1f}",
        *(row.estimators.get(estimator) for estimator in estimators),
    ]
