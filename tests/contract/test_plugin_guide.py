from __future__ import annotations

import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typing_extensions import override

from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.models.source import Source, Untrained
from autotransfer.models.statistics.feature_statistics import Statistics
from autotransfer.plugin import hookspecs
from autotransfer.plugin.estimator import TransferabilityEstimator
from autotransfer.plugin.presets import read_preset
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import Strategy, TaskInfo
from autotransfer.plugin.testing import StrategyContract
from autotransfer.plugin.testing.plugin_checks import check_named
from autotransfer.plugin.testing.strategy_promises import STRATEGY_PROMISES
from autotransfer.results import ScenarioKind

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "plugin-guide.md").read_text("utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    """The strategy of the guide, in a file of the name that the guide gives it."""
    path = tmp_path / "nearest_mean.py"
    path.write_text(_blocks("python")[0], encoding="utf-8")
    yield path
    sys.modules.pop("nearest_mean", None)


class TestStrategyOfTheGuide(StrategyContract):
    @pytest.fixture
    @override
    def strategy(self, plugin: Path) -> Strategy:
        return discover(files=[plugin]).strategy("nearest-mean")


def test_the_strategy_of_the_guide_is_the_example_and_at_most_forty_lines() -> None:
    example = ROOT / "docs/examples/autotransfer-nearest-mean/nearest_mean.py"
    assert _blocks("python")[0] == example.read_text(encoding="utf-8")
    assert len(_blocks("python")[0].splitlines()) <= 40


def test_the_contract_of_the_guide_runs(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(plugin.parent))
    found: dict[str, object] = {}
    exec(_blocks("python")[2], found)  # noqa: S102 - our own documentation
    assert issubclass(found["TestNearestMean"], StrategyContract)  # type: ignore[arg-type]


def test_every_hook_is_documented_with_its_exact_arguments() -> None:
    for name, hook in inspect.getmembers(hookspecs, inspect.isfunction):
        if name.startswith("autotransfer_"):
            signature = inspect.signature(hook)
            arguments = ", ".join(signature.parameters)
            assert f"| `{name}({arguments})` | `{signature.return_annotation}`" in GUIDE


def test_the_search_space_of_the_guide_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "guide.toml"
    path.write_text(_blocks("toml")[0], encoding="utf-8")
    source = Source("any", "test_resnet", Untrained(), Preprocessing(32))
    info = TaskInfo(source, ScenarioKind.LABELLED, num_images=100, num_classes=2)
    strategies = discover().strategies
    preset = read_preset(path)
    preset.check({name: strategy.space(info) for name, strategy in strategies.items()})
    assert preset.strategies == ("feature-extraction",)


def test_the_other_hooks_of_the_guide_keep_their_promises(tmp_path: Path) -> None:
    file = tmp_path / "more_parts.py"
    file.write_text(_blocks("python")[1], encoding="utf-8")
    (tmp_path / "small-heads.toml").write_text(_blocks("toml")[0], encoding="utf-8")
    findings = list(check_named(discover(files=[file]), "more_parts"))
    sys.modules.pop("more_parts", None)
    assert {finding.part for finding in findings} == {
        "more_parts",
        "explained-spread",
        "small-untrained",
        "small-heads",
    }
    assert not [finding for finding in findings if finding.kept is False]


def test_the_estimator_of_the_guide_is_the_share_of_the_spread(tmp_path: Path) -> None:
    found: dict[str, type[TransferabilityEstimator]] = {}
    exec(_blocks("python")[1], found)  # noqa: S102 - our own documentation
    # class means -1 and 1, each with deviations of 1: half of the spread lies between them
    rows = np.array([[-2.0], [0.0], [0.0], [2.0]])
    statistics = Statistics.of(rows, [0, 0, 1, 1])
    assert found["ExplainedSpread"]().score(statistics) == pytest.approx(0.5)


def test_every_promise_is_in_the_guide() -> None:
    for promise in STRATEGY_PROMISES:
        assert f"| {promise.name.replace('-', ' ')} |" in GUIDE


def test_the_packaging_of_the_guide_is_that_of_the_example() -> None:
    example = ROOT / "docs/examples/autotransfer-nearest-mean/pyproject.toml"
    whole, shown = tomllib.loads(example.read_text("utf-8")), tomllib.loads(_blocks("toml")[1])
    assert shown["build-system"] == whole["build-system"]
    assert shown["tool"] == whole["tool"]
    assert shown["project"].items() <= whole["project"].items()
