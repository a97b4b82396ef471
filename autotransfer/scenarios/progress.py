"""What a search with labels tells about itself as it goes on."""

from __future__ import annotations

from collections.abc import Sequence

from autotransfer.results import Outcome
from autotransfer.scenarios.run import Run
from autotransfer.search.cross_validation import LabelledContext
from autotransfer.search.progress_forecast import forecast_line, interval
from autotransfer.search.recorder import Forecast
from autotransfer.search.trial import best_of


def told_by(context: LabelledContext, run: Run) -> Forecast:
    """Return what says how a search goes on, by its best trial on the validation items."""

    def told(outcomes: Sequence[Outcome], seconds: float, seconds_left: float) -> str | None:
        best = best_of(outcomes)
        found = {} if best is None else run.place.validations([best])
        labels, seed = context.validation_labels, run.options.seed
        bounds = [interval(labels, p, context.metric, seed=seed) for p in found.values()]
        return forecast_line(
            outcomes,
            bounds[0] if bounds else None,
            context.metric,
            seconds=seconds,
            seconds_left=seconds_left,
        )

    return told
