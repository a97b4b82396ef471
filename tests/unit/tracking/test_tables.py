"""MLflow's tables in a new file: whole or not there, and never at the cost of any records."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
import warnings
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy
from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from autotransfer.errors import TrackingWarning
from autotransfer.tracking import tables
from autotransfer.tracking.places import sqlite_uri
from autotransfer.tracking.store import Store, patience
from autotransfer.tracking.tables import ensure_tables, half_made, sqlite_file

VERSION = "UPDATE alembic_version SET version_num = "


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "SETTLED_SECONDS", 0.3)
    monkeypatch.setattr(tables, "_BUSY_SECONDS", 0.1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mlflow.db"


@pytest.fixture
def made(mlflow_database: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Tables are a copy of those of the session; the places where they were made."""
    places: list[Path] = []

    def make(path: Path) -> None:
        places.append(path)
        shutil.copy(mlflow_database, path)

    monkeypatch.setattr(tables, "_make", make)
    return places


def _change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        for statement in statements:
            database.execute(statement)


def _half(path: Path, mlflow_database: Path) -> None:
    """What a kill leaves in the last but some steps of the migration: a table is missing."""
    shutil.copy(mlflow_database, path)
    _change(path, "DELETE FROM experiments", "DROP TABLE runs", f"{VERSION}'90e64c465722'")


@pytest.mark.slow
def test_a_kill_at_any_step_of_the_first_migration_leaves_what_is_known_as_half_made(
    tmp_path: Path,
) -> None:
    """Copies of the file and its journal after each statement are what a kill there leaves."""
    path = tmp_path / "making.db"
    copies: list[tuple[Path, str]] = []

    def copy(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.split(maxsplit=1)[0].upper() in {"SELECT", "PRAGMA"}:
            return
        kept = tmp_path / f"{len(copies)}.db"
        for suffix in ("", "-journal"):
            if Path(f"{path}{suffix}").exists():
                shutil.copy(f"{path}{suffix}", f"{kept}{suffix}")
        copies.append((kept, statement))

    sqlalchemy.event.listen(sqlalchemy.Engine, "after_cursor_execute", copy)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            store = SqlAlchemyStore(sqlite_uri(path), DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH)
            store.engine.dispose()
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "after_cursor_execute", copy)
    *steps, (last, statement) = copies
    assert len(steps) > 100
    for kept, step in steps:
        assert half_made(kept), step
    assert statement.startswith("INSERT INTO experiments")  # the tables are whole by then
    assert not half_made(last)
    assert not half_made(path)


def test_a_half_made_file_is_kept_beside_and_a_new_one_made(
    path: Path, mlflow_database: Path, made: list[Path]
) -> None:
    _half(path, mlflow_database)
    content = path.read_bytes()
    store = Store(None, "e", path.parent)
    with (
        pytest.warns(TrackingWarning, match=r"half made.*kept as .*autotransfer sync"),
        patience(),
    ):
        store.client.search_experiments()
    (kept,) = path.parent.glob("mlflow.db.half-made-*")
    assert kept.read_bytes() == content
    assert made == [path]
    assert not half_made(path)
    assert not (path.parent / ".mlflow.db.lock").exists()


@pytest.mark.parametrize(
    "statements",
    [
        (),
        ("DELETE FROM experiments",),  # made whole by `mlflow db upgrade`
        (f"{VERSION}'90e64c465722'",),  # of an older MLflow, which its owner has to upgrade
        ("DELETE FROM experiments", f"{VERSION}'0123456789ab'"),  # of a newer one
        ("DELETE FROM experiments", f"{VERSION}'90e64c465722'", "CREATE TABLE cats (id INT)"),
        (
            "DELETE FROM experiments",
            f"{VERSION}'90e64c465722'",
            "INSERT INTO registered_models (workspace, name) VALUES ('default', 'm')",
        ),
    ],
)
def test_what_holds_anything_or_is_of_another_version_is_left_alone(
    path: Path, mlflow_database: Path, made: list[Path], statements: tuple[str, ...]
) -> None:
    shutil.copy(mlflow_database, path)
    _change(path, *statements)
    before = path.read_bytes()
    ensure_tables(path)
    assert path.read_bytes() == before
    assert not made


def test_what_is_no_database_or_locked_is_left_alone(
    path: Path, mlflow_database: Path, made: list[Path]
) -> None:
    path.write_bytes(b"my notes" * 1000)
    ensure_tables(path)
    assert path.read_bytes() == b"my notes" * 1000
    path.unlink()
    _half(path, mlflow_database)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        ensure_tables(path)
    assert not made
    assert [p.name for p in path.parent.glob("mlflow.db*")] == ["mlflow.db"]


@pytest.mark.parametrize("links", [True, False])
def test_a_database_that_somebody_else_made_meanwhile_stays(
    path: Path, mlflow_database: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    theirs = b"of somebody else"

    def make(uri: str, _place: str) -> SimpleNamespace:
        shutil.copy(mlflow_database, str(sqlite_file(uri)))
        if links:
            path.write_bytes(theirs)
        return SimpleNamespace(engine=SimpleNamespace(dispose=lambda: None))

    def refused(*_: object) -> None:
        raise PermissionError

    if not links:
        monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(tables, "SqlAlchemyStore", make)
    ensure_tables(path)
    assert path.read_bytes() == (theirs if links else mlflow_database.read_bytes())
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_another_process_still_makes_is_left_to_it(
    path: Path, mlflow_database: Path, made: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "SETTLED_SECONDS", 5.0)
    _half(path, mlflow_database)
    pause, pauses = time.sleep, []

    def meanwhile(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            shutil.copy(mlflow_database, path)
        pause(0.01)

    monkeypatch.setattr(time, "sleep", meanwhile)
    ensure_tables(path)
    assert len(pauses) == 2
    assert not made


def test_an_empty_file_is_filled_without_a_word(path: Path, made: list[Path]) -> None:
    path.touch()
    ensure_tables(path)
    assert made == [path]
    assert [p.name for p in path.parent.glob("mlflow.db*")] == ["mlflow.db"]


def test_two_first_fits_at_once_make_the_tables_once(
    path: Path, mlflow_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(path: Path) -> None:
        with (path.parent / "made").open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(0.3)
        shutil.copy(mlflow_database, path)

    monkeypatch.setattr(tables, "_make", make)
    processes = []
    for _ in range(3):
        process = os.fork()
        if not process:
            try:
                ensure_tables(path)
            except BaseException:  # noqa: BLE001 - the exit status says it
                os._exit(1)
            os._exit(0)
        processes.append(process)
    assert [os.waitpid(process, 0)[1] for process in processes] == [0, 0, 0]
    assert len((path.parent / "made").read_text(encoding="utf-8").splitlines()) == 1
    assert not half_made(path)


@pytest.mark.parametrize("name", ["plain.db", "50%25.db", "what?.db", "a#b.db", "größe ä.db"])
def test_a_path_is_the_same_as_a_uri(tmp_path: Path, name: str) -> None:
    assert sqlite_file(sqlite_uri(tmp_path / name)) == tmp_path / name


@pytest.mark.parametrize(
    "uri",
    ["sqlite://", "sqlite:///:memory:", "postgresql://db/runs", "http://127.0.0.1:9", "runs"],
)
def test_other_stores_have_no_file(uri: str) -> None:
    assert sqlite_file(uri) is None
