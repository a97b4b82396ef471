"""MLflow's tables in a SQLite file: made aside under a lock, and moved there when they are whole.

MLflow makes them in the file itself, in some seventy steps of several seconds. A process that is
killed meanwhile, or two that begin at once, leave a file that MLflow never opens again.
"""

from __future__ import annotations

import os
import sqlite3
import time
import warnings
from contextlib import closing, suppress
from functools import cache
from pathlib import Path

import mlflow.store.db.utils  # with it, every table of MLflow is known
import sqlalchemy
from alembic.script import ScriptDirectory
from filelock import FileLock
from mlflow.store.db.base_sql_model import Base
from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
from mlflow.store.tracking.dbmodels.initial_models import Base as FirstBase
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from autotransfer.data.atomic_files import written_whole
from autotransfer.errors import TrackingWarning
from autotransfer.tracking.places import sqlite_uri

LOCK_SECONDS = 300.0  # for another process that makes them, on a busy machine
SETTLED_SECONDS = 10.0  # a half-made file that nobody has touched for so long is made by nobody
_BUSY_SECONDS = 5.0
_BESIDE = ("", "-journal", "-wal", "-shm")
_VERSION = "alembic_version"
_USED = ("experiments", "runs", "registered_models")  # whoever uses a store has one of these


def sqlite_file(uri: str) -> Path | None:
    """Return the file of a SQLite URI; None for any other, and for one in memory."""
    if not uri.startswith("sqlite"):
        return None
    name = sqlalchemy.make_url(uri).database
    if not name or name == ":memory:" or name.startswith("file:"):
        return None
    return Path(os.path.realpath(name))


def ensure_tables(path: Path) -> None:
    """Make MLflow's tables where there is no file, or one that a killed process left half made.

    A half-made file is kept beside, with the time in its name. A file that is locked, that holds
    anything, of a newer MLflow or of somebody else is left alone.

    Raises:
        OSError: If the folder cannot be written, or another process is still making the tables
            after five minutes.
    """
    if _used(path) or not path.parent.is_dir():  # a folder that is not there is often a slip
        return
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_SECONDS)
    with lock:
        if path.exists():
            if not _abandoned(path):
                return
            _move_aside(path)
        _make(path)
        with suppress(OSError):  # who still waits for it will find the tables
            Path(lock.lock_file).unlink()


def _used(path: Path) -> bool:
    """Return whether somebody works with the file, as MLflow's own tables say."""
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            return database.execute("SELECT 1 FROM experiments").fetchone() is not None
    except sqlite3.Error:
        return False


def _abandoned(path: Path) -> bool:
    """Return whether the file is half made, and stays as it is."""
    seen, since = None, time.monotonic()
    while half_made(path):
        now = path.stat().st_mtime_ns, path.stat().st_size
        if now != seen:
            seen, since = now, time.monotonic()
        if time.monotonic() - since >= SETTLED_SECONDS or now[1] == 0:
            return True
        time.sleep(0.2)
    return False


def half_made(path: Path) -> bool:
    """Return whether a SQLite file is empty, or has some of MLflow's tables with nothing in them.

    Looking at it also rolls back what a killed process had not committed.
    """
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as database:
            database.execute("BEGIN IMMEDIATE")  # nobody else is writing
            rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = {str(name) for (name,) in rows if not name.startswith("sqlite_")}
            known = {*Base.metadata.tables, *FirstBase.metadata.tables, _VERSION}
            if any(t not in known and not t.startswith("_alembic_tmp_") for t in tables):
                return False
            if any(_first(database, name) for name in _USED if name in tables):
                return False
            found = _first(database, _VERSION) if _VERSION in tables else None
    except sqlite3.Error:  # locked, or no database
        return False
    return found is None or found[0] in _outdated()


def _first(database: sqlite3.Connection, table: str) -> tuple[object, ...] | None:
    found: tuple[object, ...] | None
    found = database.execute(f"SELECT * FROM {table}").fetchone()  # noqa: S608 - ours
    return found


@cache
def _outdated() -> frozenset[str]:
    """Return the versions of the tables that this MLflow knows and goes beyond."""
    folder = Path(mlflow.store.db.utils.__file__).parents[1] / "db_migrations"
    scripts = ScriptDirectory(str(folder))
    known = {script.revision for script in scripts.walk_revisions()}
    return frozenset(known - set(scripts.get_heads()))


def _move_aside(path: Path) -> None:
    if path.stat().st_size == 0:
        path.unlink()
        return
    kept = path.with_name(f"{path.name}.half-made-{time.strftime('%Y%m%d-%H%M%S')}")
    for suffix in _BESIDE:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(kept.with_name(kept.name + suffix))
    warnings.warn(
        f"{path} was half made: a process ended while MLflow made its tables. It is kept as "
        f"{kept.name}, and a new one was made; autotransfer sync writes what earlier fits found",
        TrackingWarning,
        stacklevel=2,
    )


def _make(path: Path) -> None:
    """Make the tables in a file beside, then move it; the lock is held.

    Who does not ask for the lock, as `mlflow ui`, may have made the file meanwhile: it stays.
    """
    aside = path.with_name(f".{path.name}.new")
    for suffix in _BESIDE:  # of a process that was killed
        aside.with_name(aside.name + suffix).unlink(missing_ok=True)
    uri = sqlite_uri(aside)
    SqlAlchemyStore(uri, DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH).engine.dispose()
    settled = path.with_name(f".{path.name}.whole")
    with written_whole(settled) as whole:
        aside.rename(whole)
    try:
        os.link(settled, path)  # unlike a move, never in place of another file
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        settled.rename(path)
    finally:
        settled.unlink(missing_ok=True)
