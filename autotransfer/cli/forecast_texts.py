"""What the commands print of a forecast of labels."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from autotransfer.cli.groups import filled
from autotransfer.forecasts import LabelForecast
from autotransfer.transferability.learning_curve.wording import forecast_sentences


def forecast_json(found: LabelForecast) -> dict[str, Any]:
    """Return the object that `--json` prints."""
    return {**asdict(found), "sentences": forecast_sentences(found)}


def forecast_text(found: LabelForecast) -> list[str]:
    """Return lines for people."""
    lines = ["more labels (forecast, 90 % intervals)"]
    for sentence in forecast_sentences(found):
        lines += filled(sentence, "  ", "    ")
    return lines
