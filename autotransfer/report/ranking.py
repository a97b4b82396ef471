"""The ranking of the sources, with how sure it is."""

from __future__ import annotations

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from autotransfer.data.modality import plural_of
from autotransfer.report.figures import COLOURS, OTHER, Bar, figure, intervals
from autotransfer.report.markup import folded, joined, name, paragraph, table
from autotransfer.report.material import Material
from autotransfer.results import RankedSource, Ranking
from autotransfer.shares import source_weights

MOST_DRAWN = 25  # sources; the table has them all
_ROW = 27  # units of height of a source


def ranking_section(material: Material) -> Markup | None:
    """Return the rank chart and its table."""
    ranking, weights = material.record.ranking, source_weights(material.record)
    if not ranking.rows:
        return None
    drawn = ranking.rows[:MOST_DRAWN]
    several = len(weights) > 1
    marks = {s: f" ({100 * w:.0f} %)" if several else " (chosen)" for s, w in weights.items()}

    def plot(axes: Axes) -> None:
        bars = []
        for row in drawn:
            colour = COLOURS[0] if row.source in ranking.shortlist else OTHER
            mark, marker = ("", "o") if row.source not in weights else (marks[row.source], "D")
            bars.append(
                Bar(row.source + mark, row.rank_low, row.rank, row.rank_high, colour, marker)
            )
        intervals(axes, bars, lift=0.17, top=0.9)
        axes.set_xlim(0.5, max(row.rank_high for row in drawn) + 0.5)
        axes.set_xlabel("rank, 1 is best")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))

    left_out = len(ranking.rows) - len(drawn)
    diamond = "the diamond is the one that was chosen"
    told = "diamonds are in the answer, with their weight" if several else diamond
    kind = plural_of(material.record.modality)
    caption = (
        f"Bars hold 90 % of the ranks over half samples of the {kind}. Blue sources were "
        f"searched; {told}." + (f" {left_out} more sources are in the table." if left_out else "")
    )
    best = ", ".join(f"{row.rank} {row.source}" for row in drawn[:3])
    alt = f"Ranks of {len(ranking.rows)} sources with intervals; the first are {best}"
    chart = figure(plot, key="rank", height=45 + _ROW * len(drawn), alt=alt, caption=caption)
    constant = Markup("Without looking at the target one would have taken {}.").format(
        name(ranking.constant_choice)
    )
    parts = [chart, paragraph(constant) if ranking.constant_choice else Markup("")]
    return joined([*parts, folded("All sources and scores", _table(ranking))])


def _table(ranking: Ranking) -> Markup:
    estimators = list(dict.fromkeys(n for row in ranking.rows for n in row.estimators))
    head = ("rank", "source", "ranks", "probe", "within a point", "images", "MB", *estimators)
    by_domain = any(row.left_out for row in ranking.rows)
    head += ("mean over domains", "worst domain") if by_domain else ()
    searched = Markup("<strong>{}</strong>")
    rows = [
        (
            row.rank,
            (searched if row.source in ranking.shortlist else Markup("{}")).format(
                name(row.source)
            ),
            f"{row.rank_low} to {row.rank_high}",
            row.stage_accuracies[row.stage - 1] if row.stage_accuracies else None,
            row.within_a_point,
            row.num_images,
            f"{row.megabytes:.1f}",
            *(row.estimators.get(estimator) for estimator in estimators),
            *_on_domains(row, by_domain=by_domain),
        )
        for row in ranking.rows
    ]
    return table(head, rows, "Sources and transferability scores", kind="wide")


def _on_domains(row: RankedSource, *, by_domain: bool) -> tuple[float | Markup | None, ...]:
    """Return the mean over left-out domains, and the worst one with its accuracy."""
    if not by_domain or row.left_out is None:
        return (None, None) if by_domain else ()
    worst = row.left_out.worst
    return row.left_out.mean, Markup("{:.3f} ({})").format(
        row.left_out.by_domain[worst], name(worst)
    )
