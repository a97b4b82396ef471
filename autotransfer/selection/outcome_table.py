"""Every outcome of a fit as a table of pandas."""

from __future__ import annotations

from statistics import pstdev
from typing import TYPE_CHECKING

from autotransfer.models.metrics import METRICS
from autotransfer.results import Outcome, Record, State

if TYPE_CHECKING:
    import pandas as pd


def leaderboard_of(record: Record) -> pd.DataFrame:
    """Return a row for each probe and trial, the best validation score first.

    The columns: source, strategy, state, score (as people read it; of a log loss less is better),
    std over the folds, log_loss, seconds, stage, copied and tuned stages, reason, and each
    parameter under `params.NAME`.
    """
    import pandas as pd

    metric = METRICS.get(record.metric)
    found = sorted(
        record.outcomes,
        key=lambda o: (o.state is not State.COMPLETE, -(o.value or 0.0), o.log_loss or 0.0),
    )

    def row(outcome: Outcome) -> dict[str, object]:
        value, layers, folds = outcome.value, outcome.layers, outcome.fold_values
        return {
            "trial": outcome.title,
            "source": outcome.source,
            "strategy": outcome.strategy,
            "state": str(outcome.state),
            "score": value if value is None or metric is None else metric.display(value),
            "std": pstdev(folds) if len(folds) > 1 else None,
            "log_loss": outcome.log_loss,
            "seconds": outcome.seconds,
            "stage": None if layers is None else layers.stage,
            "copied": None if layers is None else layers.copied,
            "tuned": None if layers is None else layers.tuned,
            "reason": outcome.reason,
            **{f"params.{name}": value for name, value in outcome.params.items()},
        }

    return pd.DataFrame([row(outcome) for outcome in found]).set_index("trial")
