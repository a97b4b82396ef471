"""Whatever a strategy raises becomes the outcome of its trial; only Ctrl-C ends the fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from typing_extensions import override

from autotransfer.errors import PluginError
from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.plugin.strategy import TaskInfo, space_of
from autotransfer.plugin.testing import tiny_source
from autotransfer.results import Outcome, ScenarioKind, State
from autotransfer.search.trial import TrialSpec, attempted
from tests.unit.told import Teller

TELLER = Teller(lambda *_: MajorityPredictor(np.ones(2) / 2))


class _Gone(BaseException):
    """Is no `Exception`."""


class _MuteError(Exception):
    @override
    def __str__(self) -> str:
        raise RuntimeError("no words")


def _tried(error: BaseException) -> Outcome:
    def work(_blank: Outcome) -> Outcome:
        raise error

    spec = TrialSpec(0, tiny_source(), TELLER, {}, 0, None)
    return attempted(spec, work, torch.device("cpu"))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("one\ntwo"), "ValueError: one"),
        (SystemExit(3), "SystemExit: 3"),
        (_Gone("away"), "_Gone: away"),
        (GeneratorExit(), "GeneratorExit"),
        (_MuteError(), "_MuteError"),
        (OSError("http://ann:sesame@h"), "OSError: http://***@h"),
    ],
)
def test_whatever_a_strategy_raises_is_the_reason_of_its_outcome(
    error: BaseException, reason: str
) -> None:
    outcome = _tried(error)
    assert (outcome.state, outcome.reason) == (State.FAILED, reason)
    assert "Traceback" in str(outcome.error)
    assert "sesame" not in str(outcome.error)


def test_ctrl_c_in_a_trial_ends_the_fit() -> None:
    with pytest.raises(KeyboardInterrupt):
        _tried(KeyboardInterrupt())


def test_a_strategy_whose_space_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_task: TaskInfo) -> None:
        raise _Gone("away")

    monkeypatch.setattr(TELLER, "space", gone)
    info = TaskInfo(tiny_source(), ScenarioKind.LABELLED, num_images=9, num_classes=2)
    with pytest.raises(PluginError, match=r"'teller': its space\(\) failed: _Gone: away"):
        space_of(TELLER, info)
