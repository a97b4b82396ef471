"""Which strategies are obvious in a fit, and what they are tried on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from autotransfer.plugin.strategy import TaskInfo
from autotransfer.plugin.testing import tiny_source
from autotransfer.results import ScenarioKind
from autotransfer.search.obvious import obvious_points
from autotransfer_fusion import DefaultProbe, MeanOfProbes, MixtureOfProbes
from tests.unit.told import Teller

ALL = (DefaultProbe(), MixtureOfProbes(), MeanOfProbes(), Teller(lambda *_: None))  # type: ignore[arg-type]


def _names(setting: ScenarioKind = ScenarioKind.LABELLED, **options: Any) -> list[str]:
    task = TaskInfo(tiny_source(), setting, 12, 3)
    points = obvious_points(ALL, task, **options)
    assert all(point.source.name == "tiny" and point.params == {} for point in points)
    return [point.strategy.name for point in points]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["default-probe", "mixture-of-probes", "mean-of-probes"]),
        ({"single": True}, ["default-probe"]),
        ({"named": ["teller"]}, []),
        ({"named": ["teller", "mean-of-probes"]}, ["mean-of-probes"]),
        ({"named": ["mean-of-probes"], "single": True}, []),
    ],
)
def test_what_is_tried_first(options: Mapping[str, Any], names: list[str]) -> None:
    assert _names(**options) == names


def test_without_target_labels_nothing_is() -> None:
    assert _names(ScenarioKind.UNLABELLED) == []
    assert _names(ScenarioKind.ZERO_SHOT) == []


def test_the_one_to_beat_is_the_mixture_then_the_mean() -> None:
    ordered = sorted(ALL[:3], key=lambda strategy: strategy.priority)
    assert [strategy.name for strategy in ordered] == [
        "mixture-of-probes",
        "mean-of-probes",
        "default-probe",
    ]
