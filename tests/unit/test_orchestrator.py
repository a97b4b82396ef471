"""The sequence of a fit, on a scenario whose steps are told what to do."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from autotransfer import orchestrator
from autotransfer.results import Ranking
from autotransfer.scenarios.clock import Clock
from autotransfer.scenarios.options import read_options
from autotransfer.scenarios.run import Request, Run
from tests.unit.told import registry_of


@pytest.fixture
def run(tmp_path: Path) -> Run:
    request = Request(read_options({}), registry_of(), 0.0, [])
    clock = Clock(time.monotonic(), None)
    study = MagicMock(**{"recall.return_value": None})
    return Run(request, clock, MagicMock(folder=tmp_path), study, MagicMock())


def _answered(
    monkeypatch: pytest.MonkeyPatch, run: Run, interrupted: str, times: int = 1
) -> list[tuple[str, bool]]:
    """Return the steps after a search, and whether the clock was stopped.

    Args:
        interrupted: The step that Ctrl-C comes in, so many times.
    """
    taken: list[tuple[str, bool]] = []
    scenario, selection = MagicMock(), MagicMock()

    def step(name: str) -> Any:
        def done(*_: object) -> MagicMock:
            taken.append((name, run.clock.stopped))
            if name == interrupted and [n for n, _ in taken].count(name) <= times:
                raise KeyboardInterrupt
            return MagicMock()

        return done

    scenario.choose, scenario.judge = step("choose"), step("judge")
    selection.save = step("save")
    monkeypatch.setattr(Run, "start_tracking", lambda *_: None)
    monkeypatch.setattr(orchestrator, "_ranked", lambda *_: (Ranking((), ()), []))
    for name, returned in (("_search", []), ("report_faults", ()), ("record_of", None)):
        monkeypatch.setattr(orchestrator, name, MagicMock(return_value=returned))
    monkeypatch.setattr(orchestrator, "Selection", lambda *_, **__: selection)
    monkeypatch.setattr(orchestrator, "replace", lambda found, **_: found)
    assert orchestrator._answered(scenario, run) is selection
    return taken


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("choose", [("choose", False), ("choose", True), ("judge", True), ("save", True)]),
        ("judge", [("choose", False), ("judge", False), ("judge", True), ("save", True)]),
        ("save", [("choose", False), ("judge", False), ("save", False), ("save", True)]),
    ],
)
def test_ctrl_c_after_the_search_ends_the_time_and_loses_no_answer(
    monkeypatch: pytest.MonkeyPatch, run: Run, step: str, expected: list[tuple[str, bool]]
) -> None:
    assert _answered(monkeypatch, run, step) == expected


@pytest.mark.parametrize("report", [True, False])
def test_a_report_is_written_unless_none_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
    report: bool,  # noqa: FBT001 - pytest gives it
) -> None:
    asked = replace(run, request=replace(run.request, options=read_options({"report": report})))
    _answered(monkeypatch, asked, "")
    written: Any = vars(orchestrator)["report_faults"]
    assert written.call_count == int(report)


def test_a_second_ctrl_c_ends_the_fit_at_once(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    with pytest.raises(KeyboardInterrupt):
        _answered(monkeypatch, run, "judge", times=2)


def test_the_verdict_is_said_before_the_report_is_drawn(
    monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    drawn: list[int] = []

    def say(_verdict: str) -> None:
        drawn.append(vars(orchestrator)["report_faults"].call_count)

    asked = replace(run, request=replace(run.request, options=read_options({"say": say})))
    _answered(monkeypatch, asked, "")
    assert drawn == [0]
    assert vars(orchestrator)["report_faults"].call_count == 1
