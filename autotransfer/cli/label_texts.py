"""What `label` prints: what to label, what it is expected to gain, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autotransfer.cli.forecast_texts import forecast_json, forecast_text
from autotransfer.data.label_files import RANDOM
from autotransfer.labelling.suggestion import Round, Suggestion
from autotransfer.transferability.learning_curve.wording import gain_text


def label_json(found: Suggestion, _places: Sequence[str]) -> dict[str, Any]:
    """Return the object that `label --json` prints."""
    told = asdict(found)
    if found.forecast is not None:
        told["forecast"] = forecast_json(found.forecast)
    return told


def label_text(found: Suggestion, places: Sequence[str]) -> str:
    """Return what to label, and how, on one screen."""
    random = sum(one.drawn == RANDOM for one in found.asked)
    lines = [
        f"{len(found.asked)} images to label: {len(found.asked) - random} chosen for what they "
        f"teach (they only train), {random} at random (they may test)",
        *found.notes,
        f"  features  {', '.join(found.sources)}",
        f"  page      {found.sheet}",
        f"  table     {found.table}",
    ]
    if found.last_round is not None:
        lines += ["", _last(found.last_round)]
    if found.forecast is not None:
        lines += ["", *forecast_text(found.forecast)]
    if found.stop:
        lines += ["", found.stop]
    return "\n".join([*lines, "", *_next(found, places)])


def _last(last: Round) -> str:
    gain, forecast = last.gained, last.forecast.gain
    apart = gain.low > forecast.high or gain.high < forecast.low
    low, high = 100 * gain.low, 100 * gain.high
    told = gain_text(last.forecast).partition(": ")[2]
    return (
        f"the last {last.labels} labels gained {100 * gain.value:+.1f} points ({low:.1f} to "
        f"{high:.1f}); the forecast was {told}{', and was wrong' if apart else ''}"
    )


def _next(found: Suggestion, places: Sequence[str]) -> list[str]:
    """Return the commands that go on."""
    saved = f"{Path(found.sheet).parent.name}.csv"
    target = places[0]
    beside = f" --unlabelled {shlex.quote(places[1])}" if len(places) > 1 else ""
    return [
        f"next: open {found.sheet} and label with the keyboard; it saves {saved}",
        f"      autotransfer fit {shlex.quote(target)}{beside} --labels {shlex.quote(saved)}",
    ]
