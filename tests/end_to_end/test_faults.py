"""A fit on a disk that gets full, or read-only, at any of its writes; beside clocks that jump."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
import warnings
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy
from mlflow import MlflowClient

import autotransfer
from autotransfer.errors import AutotransferError
from autotransfer.report import page
from autotransfer.search.storage import STORAGE_FILE
from autotransfer.tracking.places import STORE_FILE, embedded_uri
from tests.faults import faults

SEVERAL = pytest.param(4, marks=pytest.mark.slow)
ALL = pytest.param(None, marks=[pytest.mark.nightly, pytest.mark.timeout(3600)])


@pytest.fixture(autouse=True)
def _empty_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a report shows takes most of the time of so small a fit, and writes nothing."""
    monkeypatch.setattr(page, "built", lambda *_: ({}, ()))


def _fit(
    target: Path, catalogue: Path, workspace: Path, trials: int = 2
) -> autotransfer.Selection:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return autotransfer.fit(
            target,
            sources=str(catalogue),
            max_sources=1,
            strategies=["feature-extraction"],
            budget=f"{trials} trials",
            guard=False,
            name="mine",
            resume=True,
            workspace=workspace,
        )


def _full(event: str) -> Exception:
    if event == "commit":
        full = sqlite3.OperationalError("database or disk is full")
        return sqlalchemy.exc.OperationalError("COMMIT", {}, full)
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), event)


def _read_only(event: str) -> Exception:
    if event == "commit":
        refused = sqlite3.OperationalError("attempt to write a readonly database")
        return sqlalchemy.exc.OperationalError("COMMIT", {}, refused)
    return OSError(errno.EROFS, os.strerror(errno.EROFS), event)


@pytest.mark.parametrize("points", [SEVERAL, ALL])
@pytest.mark.usefixtures("warm_cache")
def test_wherever_the_disk_gets_full_or_read_only_it_is_said_and_the_fit_goes_on_later(
    target: Path, catalogue: Path, tmp_path: Path, points: int | None
) -> None:
    with faults(None, _full) as events:
        expected = _fit(target, catalogue, tmp_path / "whole")
    assert len(events) > 50
    for at in map(int, np.linspace(0, len(events) - 1, points or len(events))):
        workspace = tmp_path / str(at)
        fault = (_full, _read_only)[at % 2]
        with faults(at, fault), suppress(AutotransferError):
            _fit(target, catalogue, workspace)
        resumed = _fit(target, catalogue, workspace)
        assert [repr(o.value) for o in resumed.outcomes] == [
            repr(o.value) for o in expected.outcomes
        ], events[at]
        assert autotransfer.load(workspace / "mine").class_names == expected.class_names
        assert not list(workspace.rglob("*.tmp")), events[at]


@pytest.mark.slow
@pytest.mark.usefixtures("warm_cache")
def test_a_clock_that_jumps_changes_nothing_but_dates(
    target: Path, catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once before the first trial, an hour back, as on a laptop that wakes up."""
    clock, jumps = time.time, iter([0.0] * 20)
    monkeypatch.setattr(time, "time", lambda: clock() + next(jumps, -3600.0))
    found = _fit(target, catalogue, tmp_path)
    monkeypatch.undo()
    assert found.record.seconds.total < 600
    client = MlflowClient(embedded_uri(tmp_path))
    parent = client.get_run(found.record.run_id)
    assert parent.info.status == "FINISHED"
    runs = client.search_runs([parent.info.experiment_id])
    assert len(runs) == 1 + sum(not outcome.probe for outcome in found.outcomes)


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(7.0, marks=pytest.mark.slow),  # SQLite alone waits for five
        pytest.param(58.0, marks=[pytest.mark.nightly, pytest.mark.timeout(600)]),
    ],
)
@pytest.mark.usefixtures("warm_cache")
def test_databases_that_somebody_else_has_locked_are_waited_for(
    target: Path, catalogue: Path, tmp_path: Path, seconds: float
) -> None:
    _fit(target, catalogue, tmp_path, trials=1)
    with ExitStack() as stack:
        for name in (STORAGE_FILE, STORE_FILE):
            path = tmp_path / name
            held = stack.enter_context(closing(sqlite3.connect(path, check_same_thread=False)))
            held.execute("BEGIN IMMEDIATE")
            release = threading.Timer(seconds, held.rollback)
            release.start()
            stack.callback(release.join)
        began = time.monotonic()
        again = _fit(target, catalogue, tmp_path)
        assert time.monotonic() - began >= seconds
    assert len([outcome for outcome in again.outcomes if not outcome.probe]) == 2
    client = MlflowClient(embedded_uri(tmp_path))
    parent = client.get_run(again.record.run_id)
    assert parent.info.status == "FINISHED"
    assert len(client.search_runs([parent.info.experiment_id])) == 3
