"""A fault at each write, rename and commit in turn: what was finished stays, nothing is torn."""

from __future__ import annotations

import errno
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest

from autotransfer.models.feature_store import FeatureStore, RowLayout
from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.plugin.testing import tiny_source
from autotransfer.results import Outcome, State
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.search.run_folder import RunFolder
from autotransfer.search.study import Study, open_study
from tests.faults import Killed, faults

KEPT = Checkpoint(
    MajorityPredictor(np.array([0.25, 0.75])), "majority", baseline=True, source=None
)


def _killed_at(at: int, run: Callable[[], object]) -> int:
    """Run something in a process that ends at the numbered event, at once; its exit status."""
    process = os.fork()
    if not process:
        try:
            with faults(at, lambda _event: os._exit(9)):
                run()
        finally:
            os._exit(0)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    """A folder on a disk: these are about what is written to the end."""
    return disk_path


def _study(tmp_path: Path, *, resume: bool) -> Study:
    return open_study(
        "mine", storage=None, workspace=tmp_path, sampler="random", seed=0, resume=resume
    )


def _one_trial(study: Study, place: RunFolder, value: float) -> Outcome:
    """What the driver does with a trial, from asking to telling."""
    trial = study.optuna.ask()
    size = trial.suggest_float("tune.size", 0.0, 1.0)
    outcome = Outcome(
        trial.number, "one", "tune", {"size": size}, State.COMPLETE, value=value, log_loss=1.0,
        rungs=((0, 0.5),),
    )  # fmt: skip
    place.keep(outcome, KEPT, np.array([[0.25, 0.75]]))
    study.record(trial, outcome, {0: np.array([0.5], dtype=np.float32)})
    return outcome


def test_a_kill_at_any_write_rename_or_commit_of_a_trial_loses_that_trial_at_most(
    tmp_path: Path,
) -> None:
    start = tmp_path / "start"
    start.mkdir()
    study = _study(start, resume=False)
    first = _one_trial(study, RunFolder("mine", start, start / "out"), 0.5)
    del study
    with faults(None, Killed) as events:
        shutil.copytree(start, tmp_path / "counted")
        events.clear()
        folder = tmp_path / "counted"
        _one_trial(_study(folder, resume=True), RunFolder("mine", folder, folder / "out"), 0.75)
    total = len(events)
    assert {event.split()[0] for event in events} == {"open", "mkdir", "replace", "commit"}
    assert total >= 8, events
    for at in range(total):
        folder = tmp_path / f"at-{at}"
        shutil.copytree(start, folder)
        place = RunFolder("mine", folder, folder / "out")

        def run(folder: Path = folder, place: RunFolder = place) -> None:
            _one_trial(_study(folder, resume=True), place, 0.75)

        assert _killed_at(at, run) == 9, events[at]
        resumed = _study(folder, resume=True)
        known = resumed.outcomes
        assert known[0] == first
        assert len(known) <= 2
        running = optuna.trial.TrialState.RUNNING
        assert not [t for t in resumed.optuna.trials if t.state is running], events[at]
        told = {t.number for t in resumed.optuna.trials if t.value is not None}
        assert told == {outcome.number for outcome in known}, events[at]
        for outcome in known:  # the predictor was whole before the study was told
            assert (place.trial_folder(outcome) / "predictor.json").is_file(), events[at]
            assert len(place.validations([outcome])) == 1
        _one_trial(resumed, place, 0.9)
        assert resumed.outcomes[-1].value == 0.9


def _full(_event: str) -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_is_full_at_any_write_of_a_checkpoint_is_a_warning(tmp_path: Path) -> None:
    outcome = Outcome(0, "one", "tune", {}, State.COMPLETE, value=0.5, log_loss=1.0)
    with faults(None, _full) as events:
        RunFolder("mine", tmp_path, tmp_path / "whole").keep(outcome, KEPT, np.zeros((1, 2)))
    assert len(events) >= 4
    for at in range(len(events)):
        place = RunFolder("mine", tmp_path, tmp_path / f"out-{at}")
        with faults(at, _full), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            place.keep(outcome, KEPT, np.zeros((1, 2)))
        assert "its outcome is recorded, its checkpoint is lost" in str(caught[0].message)
        assert not place.trial_folder(outcome).exists()
        assert not list((place.folder / "trials").glob("*"))


def test_a_kill_at_any_write_of_the_cache_leaves_whole_rows_or_none(tmp_path: Path) -> None:
    digests = [f"{i:064x}" for i in range(4)]
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)

    def fill(folder: Path) -> None:
        table = FeatureStore(folder).table(tiny_source())
        table.set_layout(RowLayout((3,), 0, 1.0))
        table.append(digests[:2], rows[:2])
        table.append(digests[2:], rows[2:])

    with faults(None, Killed) as events:
        fill(tmp_path / "whole")
    assert len(events) >= 6
    for at in range(len(events)):
        folder = tmp_path / f"cache-{at}"
        with faults(at, Killed), pytest.raises(Killed):
            fill(folder)
        table = FeatureStore(folder).table(tiny_source())
        for i, digest in enumerate(digests):
            if digest in table:
                np.testing.assert_array_equal(table.read([digest], 0, 3), rows[i : i + 1])
        fill(folder)
        again = FeatureStore(folder).table(tiny_source())
        np.testing.assert_array_equal(again.read(digests, 0, 3), rows)
