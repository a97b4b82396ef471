"""A fit whose process is killed with -9 goes on where it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient

from autotransfer.search.study import Study


def _command(target: Path, catalogue: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "autotransfer", "fit", str(target)),
        *("--sources", str(catalogue), "--trials", "14", "--name", "killed", "--resume", "--json"),
    ]


def _study(tmp_path: Path) -> optuna.Study:
    storage = f"sqlite:///{tmp_path / 'autotransfer.db'}"
    return optuna.load_study(study_name="killed", storage=storage)


def _outcomes(tmp_path: Path) -> dict[int, str]:
    """Return every recorded outcome, by trial number."""
    if not (tmp_path / "autotransfer.db").exists():
        return {}
    try:
        found = Study(_study(tmp_path)).outcomes
    except Exception:  # noqa: BLE001 - the driver may be making the tables right now
        return {}
    return {outcome.number: repr(outcome) for outcome in found}


def test_a_killed_fit_keeps_every_finished_trial_and_repeats_none(
    target: Path, catalogue: Path, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        _command(target, catalogue), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while len(_outcomes(tmp_path)) < 5:
        assert process.poll() is None, "the fit ended before it could be killed"
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
    assert len(children) == len(after)


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
