"""What is kept, mirrored and told of each result of a search, on fabricated results."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.plugin.testing import tiny_source
from autotransfer.results import Outcome, State
from autotransfer.search.arms import Arms
from autotransfer.search.budget import SearchLimits
from autotransfer.search.recorder import TrialRecorder, outcome_line, refit_reserve
from autotransfer.search.trial import TrialResult
from tests.unit.conftest import MakeOutcome

PREDICTOR = MajorityPredictor(np.array([0.5, 0.5]))
SAID = np.full((4, 2), 0.5)


class _Folder:
    """Notes what it is to keep."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, bool]] = []

    def keep(self, outcome: Outcome, _checkpoint: Any, _said: Any, *, always: bool) -> None:
        self.kept.append((outcome.number, always))


def _recorder(**changes: Any) -> tuple[TrialRecorder, _Folder, list[str]]:
    folder, said = _Folder(), list[str]()
    parts: dict[str, Any] = {
        "arms": Arms((tiny_source(),), (), {}),
        "context": SimpleNamespace(keeps_all=False, display=lambda value: f"accuracy {value:.3f}"),
        "place": folder,
        "limits": SearchLimits(None, None, began=time.monotonic()),
        "result_limits": SimpleNamespace(none=True),
        "always_kept": {"obvious"},
        "write": lambda outcome: said.append(f"wrote {outcome.number}"),
        "say": said.append,
        "on_outcome": lambda outcome: said.append(f"told of {outcome.number}"),
    }
    return TrialRecorder(**{**parts, **changes}), folder, said


def _result(outcome: Outcome) -> TrialResult:
    return TrialResult(replace(outcome, source="tiny"), PREDICTOR, SAID)


def test_the_obvious_stays_whatever_comes_and_the_others_compete(
    make_outcome: MakeOutcome,
) -> None:
    recorder, folder, _ = _recorder()
    for number, strategy in enumerate(("other", "obvious")):
        recorder.keep(_result(make_outcome(number, strategy=strategy)))
    assert folder.kept == [(0, False), (1, True)]


def test_a_scenario_may_keep_every_predictor(make_outcome: MakeOutcome) -> None:
    recorder, folder, _ = _recorder(context=SimpleNamespace(keeps_all=True))
    recorder.keep(_result(make_outcome(3)))
    assert folder.kept == [(3, True)]


def test_what_breaks_a_limit_is_recorded_with_it_and_not_kept(make_outcome: MakeOutcome) -> None:
    asked = []

    def against(sources: Any, predictor: Any) -> str:
        asked.append(([source.name for source in sources], predictor))
        return "weighs 9 MB"

    limits = SimpleNamespace(none=False, against=against)
    recorder, folder, _ = _recorder(result_limits=limits)
    outcome = recorder.keep(_result(make_outcome()))
    assert (outcome.unfit, outcome.reason) == ("weighs 9 MB", "weighs 9 MB")
    assert folder.kept == []
    assert asked == [(["tiny"], PREDICTOR)]


def test_what_keeps_the_limits_has_its_own_reason(make_outcome: MakeOutcome) -> None:
    limits = SimpleNamespace(none=False, against=lambda *_: "")
    recorder, folder, _ = _recorder(result_limits=limits)
    assert recorder.keep(_result(make_outcome(reason="one class alone"))).reason == (
        "one class alone"
    )
    assert folder.kept == [(0, False)]


def test_a_trial_without_a_predictor_leaves_nothing(make_outcome: MakeOutcome) -> None:
    recorder, folder, _ = _recorder()
    failed = make_outcome(state=State.FAILED, value=None)
    assert recorder.keep(TrialResult(failed, None)) == failed
    assert folder.kept == []


def test_an_outcome_is_mirrored_before_it_is_told(make_outcome: MakeOutcome) -> None:
    recorder, _, said = _recorder()
    recorder.repeat([make_outcome(0)])
    recorder.show(make_outcome(1))
    assert said[:2] == ["wrote 0", "wrote 1"]
    assert said[2].startswith("trial 1: mobilenetv1-025-person | feature-extraction: complete")
    assert said[3] == "told of 1"


def test_a_minute_passes_between_two_forecasts(make_outcome: MakeOutcome) -> None:
    told = []

    def forecast(outcomes: Any, seconds: float, left: float) -> str:
        told.append((len(outcomes), seconds, left))
        return f"forecast {len(told)}"

    began = time.monotonic() - 61
    limits = SearchLimits(None, None, began=began)
    recorder, _, said = _recorder(forecast=forecast, limits=limits)
    for number in range(3):
        recorder.show(make_outcome(number, elapsed=7.0))
    assert told == [(1, 7.0, float("inf"))]
    assert [line for line in said if line.startswith("forecast")] == ["forecast 1"]


def test_training_again_takes_as_long_as_the_folds_by_their_items(
    make_outcome: MakeOutcome,
) -> None:
    reserve = refit_reserve(num_items=90, num_trained=180, held_back=6.0)
    best = make_outcome(0, value=0.9, seconds=40.0)
    assert reserve([best, make_outcome(1, value=0.5, seconds=400.0)]) == pytest.approx(40 / 2 - 3)
    assert reserve([make_outcome(2, seconds=1.0)]) == 0.0  # what is held back is enough
    assert reserve([]) == 0.0


def test_a_line_has_value_seconds_and_what_went_wrong(make_outcome: MakeOutcome) -> None:
    context: Any = SimpleNamespace(display=lambda value: f"label-free {value:.2f}")
    outcome = make_outcome(4, value=0.5, seconds=1.25, remarks=("a batch was halved",))
    assert outcome_line(outcome, context) == (
        "trial 4: mobilenetv1-025-person | feature-extraction: complete label-free 0.50 in 1.2 s "
        "(a batch was halved)"
    )
    failed = replace(outcome, state=State.FAILED, value=None, reason="no memory", remarks=())
    assert outcome_line(failed, context).endswith("failed in 1.2 s (no memory)")


def test_the_folder_of_a_fit_takes_what_the_recorder_gives(
    make_outcome: MakeOutcome, tmp_path: Path
) -> None:
    from autotransfer.search.run_folder import RunFolder

    folder = RunFolder("fit", tmp_path, tmp_path / "fit")
    recorder, _, _ = _recorder(place=folder)
    outcome = recorder.keep(_result(make_outcome(0)))
    assert folder.trial_folder(outcome).is_dir()
    np.testing.assert_allclose(folder.validations([outcome])[0], SAID)
