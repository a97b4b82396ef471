"""A forecast of labels in sentences."""

from __future__ import annotations

from autotransfer.forecasts import LabelForecast, More, Range


def forecast_sentences(found: LabelForecast) -> list[str]:
    """Return what more labels would buy, in sentences, the figures first."""
    now = found.accuracy
    return [
        f"{_percent(now.value)} accuracy now ({_percent(now.low)} to {_percent(now.high)}): "
        f"probes on {found.sources} source(s), {found.labels} labels, measured on {found.tested} "
        "items",
        "; ".join(gain_text(more) for more in found.more),
        _goal(found),
        *(_overtaken(found)),
        *([f"about {found.settled} labels in all would settle the verdict by these curves"]
          if found.settled else []),
    ]  # fmt: skip


def gain_text(more: More) -> str:
    """Return "+100 labels: +2.1 points (0.8 to 3.5)"."""
    gain = more.gain
    return (
        f"+{more.labels} labels: {100 * gain.value:+.1f} points ({100 * gain.low:.1f} to "
        f"{100 * gain.high:.1f})"
    )


def _goal(found: LabelForecast) -> str:
    goal = f"{100 * found.goal:g} %"
    if found.needed is None:
        return f"{goal} is out of reach with these sources: not even 20 times the labels would do"
    needed: Range = found.needed
    high = f"{needed.high:.0f}{_open(found)}"
    return f"{goal} needs about {needed.value:.0f} more ({needed.low:.0f} to {high})"


def _open(found: LabelForecast) -> str:
    """Return that the upper end of the interval is that of what was looked at."""
    assert found.needed is not None
    return " or more" if found.needed.high >= 19 * found.labels else ""


def _overtaken(found: LabelForecast) -> list[str]:
    return [
        f"{rival.name}: expected to overtake at about {rival.labels} labels"
        if rival.labels is not None
        else f"{rival.name}: not expected to overtake below {20 * found.labels} labels "
        f"({100 * rival.likely:.0f} % likely)"
        for rival in found.overtaken
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
