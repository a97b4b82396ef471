"""`autotransfer plugins --check`, as an author of a plugin meets it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from autotransfer.cli import run

PLUGIN = """
import random
from pathlib import Path

from autotransfer.plugin import SearchSpace, Source, Strategy, TransferabilityEstimator
from autotransfer.plugin import heads, hookimpl, sources


class Careless(Strategy):
    name = "careless"
    trains = False

    def space(self, task):
        return SearchSpace.of()

    def fit(self, task, trial):
        random.seed(trial.seed)
        features = task.features(task.train)
        head = heads.fit_ridge(features, task.train.labels, len(task.class_names))
        return heads.HeadPredictor(head, task.features.num_stages)

    def restore(self, tensors, info, source):
        return heads.restore_head(tensors, info)


class Spread(TransferabilityEstimator):
    name = "spread"

    def score(self, statistics):
        return statistics.trace


@hookimpl
def autotransfer_strategies():
    return [Careless()]


@hookimpl
def autotransfer_estimators():
    return [Spread()]


@hookimpl
def autotransfer_sources():
    seen = sources.Preprocessing(32, mean=(124.0,) * 3)
    return [Source("bars", "test_resnet", sources.Untrained(), seen)]


@hookimpl
def autotransfer_search_spaces():
    return [Path(__file__).with_name("odd.toml")]
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "odd.toml").write_text('description = "Odd"\nstrategies = ["gone"]\n')
    file = tmp_path / "careless_plugin.py"
    file.write_text(PLUGIN, encoding="utf-8")
    monkeypatch.delitem(sys.modules, "careless_plugin", raising=False)
    return str(file)


def test_a_broken_promise_is_told_with_its_remedy_and_code_2(
    plugin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plugins", "--plugin", plugin, "--check", "careless"]) == 2
    printed = capsys.readouterr().out
    assert "careless: the global generators are left alone: BROKEN" in printed
    assert "found: Python's global generator was seeded or drawn from" in printed
    assert "to do: pass a generator of your own" in printed
    assert printed.endswith("careless: 13 kept, 1 broken\n")


def test_an_estimator_that_keeps_all_promises_ends_with_code_0(
    plugin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plugins", "--plugin", plugin, "--check", "spread"]) == 0
    printed = capsys.readouterr().out
    assert "spread: it says when it needs a head: does not apply" in printed
    assert printed.endswith("spread: 3 kept, 0 broken\n")


def test_a_plugin_is_checked_with_all_its_parts_as_json(
    plugin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plugins", "--plugin", plugin, "--check", "careless_plugin", "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["broken"] == 3
    broken = {row["part"]: row["problem"] for row in found["promises"] if row["kept"] is False}
    assert "Python's global generator" in broken["careless"]
    assert "mean (124.0, 124.0, 124.0) must be for pixels in [0, 1]" in broken["bars"]
    assert "no such strategy: 'gone'" in broken["odd"]
    assert {row["part"] for row in found["promises"]} == {
        "careless_plugin",
        "careless",
        "spread",
        "bars",
        "odd",
    }


def test_an_unknown_name_lists_what_can_be_checked(
    plugin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plugins", "--plugin", plugin, "--check", "carefull"]) == 2
    message = capsys.readouterr().err
    assert "no strategy, estimator or plugin named 'carefull'" in message
    assert "careless" in message
    assert "Traceback" not in message
