"""A fit whose process is killed with -9 goes on where it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import optuna
import pytest
from mlflow import MlflowClient

from autotransfer.results import Outcome
from autotransfer.search.study import Study

# A kill may come while anything is written, on a disk, and while MLflow makes its tables.


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    return disk_path


@pytest.fixture
def mlflow_tables() -> None:
    """None are there beforehand."""


def _command(target: Path, catalogue: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "autotransfer", "fit", str(target)),
        *("--sources", str(catalogue), "--trials", "14", "--name", "killed", "--resume", "--json"),
    ]


def _study(tmp_path: Path) -> optuna.Study:
    storage = f"sqlite:///{tmp_path / 'autotransfer.db'}"
    return optuna.load_study(study_name="killed", storage=storage)


def _recorded(tmp_path: Path) -> list[Outcome]:
    """Return every recorded outcome."""
    if not (tmp_path / "autotransfer.db").exists():
        return []
    try:
        return Study(_study(tmp_path)).outcomes
    except Exception:  # noqa: BLE001 - a vision transformer refuses another size in its own words
        return []


def _outcomes(tmp_path: Path) -> dict[int, str]:
    """Return every recorded outcome, by its number."""
    return {outcome.number: repr(outcome) for outcome in _recorded(tmp_path)}


def test_a_killed_fit_keeps_every_finished_trial_and_repeats_none(
    target: Path, catalogue: Path, tmp_path: Path
) -> None:
    said = tmp_path / "said.txt"
    with said.open("w") as told:
        process = subprocess.Popen(
            _command(target, catalogue), stdout=subprocess.DEVNULL, stderr=told
        )
    deadline = time.monotonic() + 120
    while sum(number >= 0 for number in _outcomes(tmp_path)) < 2:
        assert process.poll() is None, f"it ended before it could be killed: {said.read_text()}"
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = _outcomes(tmp_path)

    done = subprocess.run(_command(target, catalogue), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    after = _outcomes(tmp_path)
    assert {number: after[number] for number in before} == before
    found = json.loads(done.stdout)
    assert found["trials"]["complete"] + found["trials"]["pruned"] == 14

    trials = [trial for trial in _study(tmp_path).trials if trial.number in after]
    points = [json.dumps(trial.params, sort_keys=True) for trial in trials]
    assert len(points) == len(set(points))
    assert not [t for t in _study(tmp_path).trials if t.state == optuna.trial.TrialState.RUNNING]

    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("autotransfer")
    runs = client.search_runs([experiment.experiment_id])
    children = [r for r in runs if r.data.tags.get("mlflow.parentRunId") == found["run_id"]]
    assert len(children) == sum(number >= 0 for number in after)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "kills", [pytest.param(4, marks=pytest.mark.slow), pytest.param(20, marks=pytest.mark.nightly)]
)
def test_a_fit_that_is_killed_again_and_again_loses_and_repeats_nothing(
    target: Path, catalogue: Path, tmp_path: Path, kills: int
) -> None:
    rng = np.random.default_rng(0)
    known: dict[int, str] = {}
    for _ in range(kills):
        process = subprocess.Popen(
            _command(target, catalogue), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wanted, deadline = len(known) + int(rng.integers(0, 3)), time.monotonic() + 120
        while len(_outcomes(tmp_path)) < wanted and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(float(rng.exponential(0.5)))
        process.kill()
        process.wait()
        found = _outcomes(tmp_path)
        assert {number: found[number] for number in known} == known
        known = found

    done = subprocess.run(_command(target, catalogue), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    after = _outcomes(tmp_path)
    assert {number: after[number] for number in known} == known
    told = json.loads(done.stdout)
    assert told["trials"]["complete"] + told["trials"]["pruned"] == 14
    points = [json.dumps([o.source, o.strategy, dict(o.params)]) for o in _recorded(tmp_path)]
    assert len(points) == len(set(points))
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    run = client.get_run(told["run_id"])
    children = client.search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{told['run_id']}'"
    )
    numbers = sorted(int(child.data.tags["autotransfer.number"]) for child in children)
    assert numbers == sorted(number for number in after if number >= 0)
    for shard in (tmp_path / "cache").rglob("*.npy"):
        assert np.load(shard, allow_pickle=False).size


def test_an_existing_name_without_resume_is_refused_after_a_kill(
    target: Path, catalogue: Path, tmp_path: Path
) -> None:
    (tmp_path / "killed").mkdir()
    command = [part for part in _command(target, catalogue) if part != "--resume"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--resume" in done.stderr
    assert not list((tmp_path / "killed").iterdir())


pytestmark = pytest.mark.timeout(400)
