from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from autotransfer.cli.progress import LiveProgress, Plain, progress_of
from autotransfer.models.metrics import metric_named
from autotransfer.results import Outcome, State


def _outcome(number: int, value: float | None, source: str = "a", **more: Any) -> Outcome:
    state = State.COMPLETE if value is not None else State.FAILED
    return Outcome(number, source, "probe", {}, state, value=value, **more)


def _live(seconds: float | None = 100.0, clock: Callable[[], float] = lambda: 0.0) -> Any:
    kept: list[str] = []
    live = LiveProgress(
        metric_named("accuracy"), seconds, lambda text: kept.append(str(text)), clock
    )
    return live, kept


def test_without_a_terminal_lines_are_plain(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress_of("accuracy", None) as progress:
        progress.say("ranking 3 sources")
        progress.on_part("rank", 1.0)
        progress.on_outcome(_outcome(0, 0.5))
    assert isinstance(progress, Plain)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "ranking 3 sources\n"


def test_a_finished_part_leaves_one_line() -> None:
    live, kept = _live()
    live.say("shortlist: a, b")
    live.on_part("rank", 12.4)
    live.on_outcome(_outcome(-1, 0.5))
    live.on_outcome(_outcome(0, 0.6))
    live.on_part("search", 30.0)
    assert kept == [
        "sources ranked in 12 s: shortlist: a, b",
        "searched in 30 s: 1 probes, 1 trials",
    ]


def test_what_was_found_in_the_images_stays_and_is_wrapped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    live, kept = _live()
    live.say("90 images of 3 classes")
    live.say("2 file(s) that are not images were ignored (.mov 1, .aae 1), and so on")
    live.on_part("open", 7.6)
    live.say("shortlist: a")
    live.on_part("rank", 1.0)
    assert kept == [
        "opened and checked in 8 s",
        "  90 images of 3 classes",
        "  2 file(s) that are not images were ignored (.mov 1, .aae\n  1), and so on",
        "sources ranked in 1 s: shortlist: a",
    ]


def test_the_leaders_are_the_best_of_each_pair() -> None:
    live, _ = _live()
    outcomes = [
        _outcome(0, 0.5), _outcome(1, 0.7), _outcome(2, 0.6, "b"), _outcome(3, None, "c"),
        _outcome(4, 0.9, "d", unfit="too large"),
    ]  # fmt: skip
    for outcome in outcomes:
        live.on_outcome(outcome)
    assert [outcome.number for outcome in live.leaders()] == [1, 2]


def test_the_time_left_ends_at_zero() -> None:
    now = [0.0]
    live, _ = _live(100.0, lambda: now[0])
    now[0] = 65.0
    assert live.time_text() == "1:05, 0:35 left"
    now[0] = 130.0
    assert live.time_text() == "2:10, 0:00 left"
    assert _live(None)[0].time_text() == "0:00"


def test_the_display_shows_stage_time_and_leaders() -> None:
    live, _ = _live()
    live.on_part("rank", 1.0)
    live.on_outcome(_outcome(0, 0.75, "[red]name"))
    live.say("trial 0: done")
    console = Console(file=io.StringIO(), width=80, force_terminal=False)
    console.print(live.render())
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "searching (0:00, 1:40 left)" in shown
    assert "0.750" in shown
    assert "[red]name" in shown
    assert "trial 0: done" in shown


def test_with_a_number_of_trials_there_is_a_bar() -> None:
    live = LiveProgress(metric_named("accuracy"), None, lambda _text: None, num_trials=4)
    for part in ("open", "rank"):
        live.on_part(part, 1.0)
    live.on_outcome(_outcome(-1, 0.5))  # a probe is no trial
    live.on_outcome(_outcome(0, 0.5))
    console = Console(file=io.StringIO(), width=80, force_terminal=False)
    console.print(live.render())
    assert "trial 1 of 4" in console.file.getvalue()  # type: ignore[attr-defined]
    live.on_part("search", 1.0)
    console.print(live.render())
    assert console.file.getvalue().count("trial 1 of 4") == 1  # type: ignore[attr-defined]
