"""The records of a ranking: all sources, best first, and what is known of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotransfer.domain_results import DomainAccuracies
from autotransfer.forecasts import LabelForecast

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RankedSource:
    """One row of the ranking.

    Args:
        rank: Place in the consensus, 1 is best.
        rank_low: Best place within the resampling interval.
        rank_high: Worst place within the resampling interval.
        score: Mean rank over the families of scores, lower is better. A source that left the
            race early has at least the score of those that stayed.
        stage: The stage that a probe should read; the scores are those of the last one.
        estimators: Score of each estimator, higher is better; undefined ones are left out.
        seconds: Seconds of the forward passes and scores.
        megabytes: Size of the network in memory, 1e6 bytes.
        num_images: Number of items that the scores rest on.
        stage_accuracies: Leave-one-out accuracy of a probe at each stage; None where undefined.
        within_a_point: Probability that a probe on it is within one point of the best one.
        prior: What was known of it beforehand, higher is better; None for nothing.
        left_out: How a probe at that stage does on left-out domains; None without domains.
    """

    source: str
    rank: int
    rank_low: int
    rank_high: int
    score: float
    stage: int
    estimators: Mapping[str, float]
    seconds: float
    megabytes: float
    num_images: int
    stage_accuracies: tuple[float | None, ...] = ()
    within_a_point: float = 1.0
    prior: float | None = None
    left_out: DomainAccuracies | None = None


@dataclass(frozen=True)
class Ranking:
    """All sources, best first, and the names of those that the search may use.

    `constant_choice` is what one would choose without looking at the target; `forecast` says
    whether transfer is worth trying, `labels` what more labels would buy, where that is asked for.
    """

    rows: tuple[RankedSource, ...]
    shortlist: tuple[str, ...]
    constant_choice: str = ""
    forecast: str = ""
    labels: LabelForecast | None = None

    def to_frame(self) -> pd.DataFrame:
        """Return a row a source, best first: its place, its interval, and a column a score."""
        import pandas as pd

        rows = [
            {
                **{k: v for k, v in vars(row).items() if k not in ("estimators", "left_out")},
                **({} if row.left_out is None else row.left_out.columns),
                **row.estimators,
            }
            for row in self.rows
        ]
        return (
            pd.DataFrame(rows)
            .assign(shortlisted=[r.source in self.shortlist for r in self.rows])
            .set_index("source")
        )
