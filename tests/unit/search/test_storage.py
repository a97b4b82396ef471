from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import optuna
import pytest
import sqlalchemy
import sqlalchemy.orm

from autotransfer.errors import InvalidOptionError, OverrunError, StudyStorageError
from autotransfer.search import storage
from autotransfer.search.watchdog import ended_at
from tests.own_postgresql import PostgreSql


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


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGALRM, OverrunError), (signal.SIGINT, KeyboardInterrupt)]
)
def test_what_ends_a_fit_comes_after_a_transaction_and_leaves_no_lock(
    tmp_path: Path, number: int, raised: type[BaseException]
) -> None:
    """It would leave the transaction open, and every later write without the lock."""
    study = optuna.create_study(
        storage=storage.open_storage(sqlite := f"sqlite:///{tmp_path}/s.db")
    )

    def come(_: object) -> None:
        for _ in range(2):
            signal.raise_signal(number)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    sqlalchemy.event.listen(sqlalchemy.orm.Session, "before_commit", come)
    try:
        with pytest.raises(raised), ended_at(time.monotonic() + 100):  # noqa: PT012
            study.set_user_attr("kept", value=True)
            pytest.fail("it did not come")
    finally:
        sqlalchemy.event.remove(sqlalchemy.orm.Session, "before_commit", come)
    assert optuna.load_study(study_name=None, storage=sqlite).user_attrs == {"kept": True}
    study.set_user_attr("later", value=True)


def test_patience_ends_and_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)

    def gone() -> None:
        raise optuna.exceptions.StorageInternalError("connection refused")

    with pytest.raises(StudyStorageError, match=r"postgresql://\*\*\*@host/db .*--resume"):
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


# In a process of its own: connections of openings that came second complain when collected.
OPENING = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from autotransfer.search.storage import open_storage
for url in sys.argv[1:]:
    start = threading.Barrier(4)
    def opened(_):
        start.wait()
        return len(open_storage(url).get_all_studies())
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(opened, range(4))) == [0] * 4
"""


def test_fits_that_begin_at_once_in_a_new_workspace_all_open_its_storage(tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path / str(number)}.db" for number in range(5)]
    subprocess.run([sys.executable, "-c", OPENING, *urls], check=True)


@pytest.mark.slow
def test_fits_that_begin_at_once_on_a_new_server_all_open_its_storage(
    postgresql: PostgreSql,
) -> None:
    subprocess.run([sys.executable, "-c", OPENING, postgresql.url], check=True)


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
def test_a_database_that_is_restarted_in_the_middle_loses_nothing(postgresql: PostgreSql) -> None:
    command = [sys.executable, "-c", RECORDING, postgresql.url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stdin is not None
        assert driver.stdout is not None

        def record(value: float) -> object:
            print(value, file=driver.stdin, flush=True)
            return json.loads(driver.stdout.readline())  # type: ignore[union-attr]

        assert record(0.1) == [[0.1], [0.1]]
        postgresql.stop()
        waker = threading.Timer(2.0, postgresql.start)
        waker.start()
        assert record(0.2) == [[0.1, 0.2], [0.1, 0.2]]  # it waited
        waker.join()
        postgresql.stop()
        postgresql.start()  # between two trials: connections that were open are dead
        assert record(0.3) == [[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]]
        driver.stdin.close()
        assert driver.wait(60) == 0


@pytest.mark.parametrize("name", ["what? one", "50%25 #1 {b} größe&x=y;z a@b:c"])
def test_the_study_is_in_its_workspace_whatever_that_is_called(tmp_path: Path, name: str) -> None:
    workspace = tmp_path / "in" / name
    workspace.mkdir(parents=True)
    url = storage.storage_url(None, workspace)
    assert sqlalchemy.make_url(url).database == str(workspace / "autotransfer.db")
    storage._opened(url).remove_session()
    assert [path.name for path in workspace.iterdir()] == ["autotransfer.db"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == [name]


def test_the_environment_names_the_storage_unless_the_call_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not storage.has_storage(None, tmp_path)
    monkeypatch.setenv("AUTOTRANSFER_STORAGE", "sqlite:///there.db")
    assert storage.has_storage(None, tmp_path)
    assert storage.storage_url(None, tmp_path) == "sqlite:///there.db"
    assert storage.storage_url("sqlite:///x.db", tmp_path) == "sqlite:///x.db"


def test_braces_in_a_password_are_no_template() -> None:
    assert storage._plain("a://u:{p}@h/x").format() == "a://u:{p}@h/x"
    versioned = "a://h/x_{SCHEMA_VERSION}"  # Optuna's own
    assert storage._plain(versioned) == versioned


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "'nonsense' is not the URL of a database"),
        ("", "'' is not the URL of a database"),
        ("foo://x/y", "is not the URL of a database"),
        ("postgresql+psycopg://u:hidden@h:abc/x", r"\*\*\*@h:abc/x' is not the URL"),
        ("oracle+nosuch://u:hidden@h/x", r"oracle\+nosuch://\*\*\*@h/x"),
        ("mysql+aiomysql://u:hidden@h/x", "needs the Python module .*install it"),
        ("postgresql+psycopg://u:hid@den/x@h/x", "write @ as %40"),
        ("postgresql+psycopg://u:hid?den@h/x", "as %3F"),
    ],
)
def test_a_url_under_which_nothing_could_be_kept_is_refused(url: str, said: str) -> None:
    with pytest.raises(InvalidOptionError, match=said) as refused:
        storage.check_database(url, "storage")
    assert "hid" not in str(refused.value).replace("u:", "")
    storage.check_database("postgresql+psycopg://u:p%40w@h:5432/x?sslmode=require", "storage")
    storage.check_database("sqlite:////a@b/c:d.db", "storage")
