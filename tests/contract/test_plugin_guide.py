from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from autotransfer import hookspecs
from autotransfer.presets import read_preset
from autotransfer.problem import Preprocessing, Setting, Source, Untrained
from autotransfer.registry import discover
from autotransfer.strategy import Strategy, TaskInfo
from autotransfer.testing import StrategyContract

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "plugin-guide.md").read_text("utf-8")


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


def test_the_strategy_of_the_guide_is_about_thirty_lines() -> None:
    lines = [line for line in _blocks("python")[0].splitlines() if line.strip()]
    assert len(lines) <= 35


def test_the_contract_of_the_guide_runs(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(plugin.parent))
    found: dict[str, object] = {}
    exec(_blocks("python")[1], found)  # noqa: S102 - our own documentation
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
    info = TaskInfo(source, Setting.LABELLED, num_images=100, num_classes=2)
    strategies = discover().strategies
    preset = read_preset(path)
    preset.check({name: strategy.space(info) for name, strategy in strategies.items()})
    assert preset.strategies == ("feature-extraction",)
