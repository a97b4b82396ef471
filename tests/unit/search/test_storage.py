from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from autotransfer.errors import StudyStorageError
from autotransfer.search import storage

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def test_a_storage_that_is_away_for_a_while_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    calls = 0

    def flaky() -> str:
        nonlocal calls
        calls += 1
        if calls < 4:
            raise optuna.exceptions.StorageInternalError("connection refused")
        return "done"

    assert storage._patient(flaky, "postgresql://u:p@host/db")() == "done"
    assert waits == pytest.approx([0.2, 0.4, 0.8])


def test_patience_ends_and_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)

    def gone() -> None:
        raise optuna.exceptions.StorageInternalError("connection refused")

    with pytest.raises(StudyStorageError, match=r"postgresql://host/db .*--resume"):
        storage._patient(gone, "postgresql://user:secret@host/db")()
    assert storage.PATIENCE_SECONDS <= sum(waits) < 2 * storage.PATIENCE_SECONDS


def test_a_full_disk_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("waited"))

    def full() -> None:
        raise optuna.exceptions.StorageInternalError("database or disk is full")

    with pytest.raises(StudyStorageError, match="disk is full"):
        storage._patient(full, "sqlite:///x.db")()


def test_an_answer_that_was_lost_after_its_commit_is_not_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    calls = 0

    def told() -> bool:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise optuna.exceptions.StorageInternalError("server closed the connection")
        raise optuna.exceptions.UpdateFinishedTrialError("already told")

    assert storage._patient(told, "postgresql://host/db")() is True


def test_a_storage_that_cannot_be_opened_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"no database at all, but long enough to be read" * 50)
    with pytest.raises(StudyStorageError, match="cannot be read or written"):
        storage.open_storage(f"sqlite:///{tmp_path / 'broken.db'}")


class _Server:
    """A PostgreSQL server of its own on the loopback interface."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._bin = POSTGRES[-1].parent
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        root = getattr(os, "geteuid", lambda: 1)() == 0
        self._as: list[str] = ["runuser", "-u", "postgres", "--"] if root else []
        if root:
            shutil.chown(folder, "postgres")
        self._run("initdb", "-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "-N")

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(
            [*self._as, str(self._bin / name), *arguments],
            check=True,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=120,
        )

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder}"
        log = f"{self.folder}/log"
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-o", options, "-l", log, "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "stop")


@pytest.fixture
def server() -> Iterator[_Server]:
    """A started server; the folder is short, as the socket's path has to be."""
    if not POSTGRES:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    pytest.importorskip("psycopg", reason="psycopg is not installed (autotransfer[postgresql])")
    folder = Path(tempfile.mkdtemp(prefix="at-pg-"))
    try:
        try:
            found = _Server(folder)
            found.start()
        except (subprocess.SubprocessError, OSError, LookupError) as error:
            pytest.skip(f"PostgreSQL cannot be started here: {error}")
        yield found
        found.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# In a process of its own: connections that are cut off complain when they are collected.
RECORDING = """
import json, sys
from pathlib import Path
from autotransfer.results import Outcome, State
from autotransfer.search.study import open_study
study = open_study("mine", storage=sys.argv[1], workspace=Path(), sampler="random", seed=0,
                   resume=True)
for line in sys.stdin:
    trial = study.optuna.ask()
    trial.suggest_float("x", 0.0, 1.0)
    study.record(trial, Outcome(trial.number, "s", "tune", {}, State.COMPLETE,
                                value=float(line), log_loss=1.0))
    told = [t.value for t in study.optuna.trials if t.value is not None]
    print(json.dumps([[o.value for o in study.outcomes], told]), flush=True)
"""


@pytest.mark.slow
def test_a_database_that_is_restarted_in_the_middle_loses_nothing(server: _Server) -> None:
    command = [sys.executable, "-c", RECORDING, server.url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stdin is not None
        assert driver.stdout is not None

        def record(value: float) -> object:
            print(value, file=driver.stdin, flush=True)
            return json.loads(driver.stdout.readline())  # type: ignore[union-attr]

        assert record(0.1) == [[0.1], [0.1]]
        server.stop()
        with subprocess.Popen(
            [sys.executable, "-c", f"import time; time.sleep(2); {_starting(server)}"]
        ) as waker:
            assert record(0.2) == [[0.1, 0.2], [0.1, 0.2]]  # it waited
            assert waker.wait(120) == 0
        server.stop()
        server.start()  # between two trials: connections that were open are dead
        assert record(0.3) == [[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]]
        driver.stdin.close()
        assert driver.wait(60) == 0


def _starting(server: _Server) -> str:
    options = f"-p {server.port} -h 127.0.0.1 -k {server.folder}"
    command = [*server._as, str(server._bin / "pg_ctl"), "-D", f"{server.folder}/data"]
    command += ["-o", options, "-l", f"{server.folder}/log", "-w", "start"]
    return (
        f"import subprocess; subprocess.run({command!r}, check=True, cwd={str(server.folder)!r})"
    )
