"""Without target labels trials run beside the driver too, and no option is ignored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autotransfer
from autotransfer.cli import run
from autotransfer.plugin.testing import shapes
from autotransfer.results import Outcome, State

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("brief_report"),
    pytest.mark.filterwarnings("ignore::autotransfer.errors.AutotransferWarning"),
]
# A strategy whose worker is killed once.
PLUGIN = """
import os, signal
from pathlib import Path
from autotransfer.plugin import SearchSpace, ScenarioKind, Strategy, heads, hookimpl


def _die_once():
    mark = Path(os.environ["KILLED_ONCE"])
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class Mortal(Strategy):
    name = "mortal"
    scenarios = frozenset({ScenarioKind.UNLABELLED})

    def space(self, task):
        return SearchSpace.of()

    def fit(self, task, trial):
        _die_once()
        x = task.features(task.train)
        head = heads.fit_ridge(x, task.train.labels, len(task.class_names))
        return heads.HeadPredictor(head, task.features.num_stages)

    def restore(self, tensors, info, source):
        return heads.restore_head(tensors, info)


@hookimpl
def autotransfer_strategies():
    return [Mortal()]
"""


@pytest.fixture
def domains() -> dict[str, Any]:
    images = shapes(3, 30, seed=1)
    pixels = [np.asarray(images[i]) for i in range(len(images))]
    darker = shapes(3, 30, seed=2)
    return {
        "target": np.stack([np.asarray(darker[i]) // 2 for i in range(len(darker))]),
        "source_data": (np.stack(pixels), [images.class_names[label] for label in images.labels]),
    }


def _said(outcomes: tuple[Outcome, ...]) -> list[tuple[Any, ...]]:
    found = [(o.strategy, o.source, dict(o.params), o.state, o.value) for o in outcomes]
    return sorted(found, key=str)


@pytest.mark.slow  # processes are started
@pytest.mark.parametrize("executor", ["processes", pytest.param("ray", marks=pytest.mark.nightly)])
def test_without_labels_workers_find_what_the_driver_finds(
    domains: dict[str, Any], catalogue: Path, executor: str
) -> None:
    if executor == "ray":
        pytest.importorskip("ray", reason="Ray is not installed (autotransfer[ray])")
    options: dict[str, Any] = {
        **domains,
        "sources": catalogue,
        "source": ["tiny-0"],
        "strategies": ["source-probe", "feature-coral"],
        "budget": "2 trials",
    }
    alone = autotransfer.fit(**options, name="inline")
    beside = autotransfer.fit(**options, name="beside", executor=executor, workers=2)
    assert _said(beside.outcomes) == _said(alone.outcomes)
    assert beside.verdict.sentence == alone.verdict.sentence
    target = domains["target"]
    np.testing.assert_allclose(
        beside.predict_proba(target), alone.predict_proba(target), atol=1e-6
    )


@pytest.mark.slow  # two processes are started
def test_without_labels_a_killed_worker_costs_no_trial(
    domains: dict[str, Any],
    catalogue: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plugin = tmp_path / "mortal_strategy.py"
    plugin.write_text(PLUGIN, encoding="utf-8")
    monkeypatch.setenv("KILLED_ONCE", str(tmp_path / "killed"))
    selection = autotransfer.fit(
        **domains,
        sources=catalogue,
        source=["tiny-0"],
        strategies=["mortal"],
        plugins=[plugin],
        budget="1 trials",
        workers=1,
    )
    assert (tmp_path / "killed").exists()
    (outcome,) = selection.outcomes
    assert (outcome.strategy, outcome.state) == ("mortal", State.COMPLETE)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--executor", "nosuch"), "no executor named 'nosuch'"),
        (("--metric", "log_loss"), "metric is for a target with labels"),
        (("--warm-start",), "warm_start is for a target with labels"),
        (("--ray-address", "nowhere"), "--ray-address is for --executor ray"),
        (("--max-mb", "0.000001"), "MB"),
    ],
)
def test_an_option_without_effect_ends_with_one_line(
    tmp_path: Path,
    domains: dict[str, Any],
    catalogue: Path,
    option: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    x, y = domains["source_data"]
    np.savez(tmp_path / "source.npz", x_train=x, y_train=np.array(y))
    np.savez(tmp_path / "target.npz", x_train=domains["target"])
    given = ["fit", str(tmp_path / "target.npz"), "--source-data", str(tmp_path / "source.npz")]
    sources = ["--sources", str(catalogue), "--source", "tiny-0"]
    brief = ["--strategy", "source-probe", "--trials", "1"]  # where it is accepted after all
    assert run([*given, *sources, *brief, *option]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
