"""The Optuna storage of a study: SQLite in the workspace, or a database by URL."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import optuna
import sqlalchemy.exc
from optuna.storages import BaseStorage, RDBStorage, get_storage
from sqlalchemy.pool import NullPool

from autotransfer.errors import StudyStorageError

STORAGE_FILE = "autotransfer.db"
PATIENCE_SECONDS = 60.0  # for a database that is away: a restart takes a few seconds
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0
_FULL = ("disk is full", "No space left", "disk I/O error", "readonly database")
_MADE_AT_ONCE = ("already exists", "UNIQUE constraint", "duplicate key", "database is locked")
_ATTEMPTS = 20  # to open: who comes second finds the tables half made
_AWAY = (optuna.exceptions.StorageInternalError, sqlalchemy.exc.DBAPIError)
_METHODS = tuple(name for name in vars(BaseStorage) if not name.startswith("_"))

_log = logging.getLogger(__name__)
T = TypeVar("T")


def storage_url(storage: str | None, workspace: Path) -> str:
    """Return the URL of the storage; None is SQLite in the workspace."""
    return storage or f"sqlite:///{(workspace / STORAGE_FILE).resolve()}"


def open_storage(url: str) -> BaseStorage:
    """Return a storage that waits for a database that is away, for a minute at most.

    Raises:
        StudyStorageError: If it cannot be opened.
    """
    storage = get_storage(_opened(url))  # with Optuna's own cache
    for name in _METHODS:
        setattr(storage, name, _patient(getattr(storage, name), url))
    return storage


def _opened(url: str, attempts: int = _ATTEMPTS) -> RDBStorage:
    """Return the storage, its tables made, even while another process makes them too."""
    try:
        return RDBStorage(url, engine_kwargs=_scenarios(url))
    except (sqlalchemy.exc.SQLAlchemyError, ImportError, ValueError, *_AWAY) as error:
        cause = _cause(error)
        if attempts == 1 or not any(text in cause for text in _MADE_AT_ONCE):
            raise StudyStorageError(_shown(url), cause) from error
    time.sleep(_FIRST_WAIT)
    return _opened(url, attempts - 1)


def _scenarios(url: str) -> dict[str, Any]:
    """Return how connections are kept: to a server for the next one, to a file never.

    A file is opened in no time, and from Python 3.13 on a connection that nobody closes is a
    warning.
    """
    if not url.startswith("sqlite"):
        return {"pool_pre_ping": True}
    return {} if url == "sqlite://" or ":memory:" in url else {"poolclass": NullPool}


def _patient(action: Callable[..., T], url: str) -> Callable[..., T]:
    """Return the action, tried again while the database is away."""

    @wraps(action)
    def tried(*args: Any, **more: Any) -> Any:
        wait, spent, again = _FIRST_WAIT, 0.0, False
        while True:
            try:
                return action(*args, **more)
            except optuna.exceptions.UpdateFinishedTrialError:
                if again:  # the attempt before had come through, only its answer was lost
                    return True
                raise
            except _AWAY as error:
                cause = _cause(error)
                if spent >= PATIENCE_SECONDS or any(text in cause for text in _FULL):
                    raise StudyStorageError(_shown(url), cause) from error
                _log.warning("the study's storage is away (%s); trying again", cause)
            time.sleep(wait)
            spent, again = spent + wait, True
            wait = min(2 * wait, _LONGEST_WAIT)

    return tried


def _cause(error: BaseException) -> str:
    """Return the innermost reason on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _shown(url: str) -> str:
    """Return the URL without user and password."""
    head, slashes, rest = url.partition("//")
    return head + slashes + rest.rpartition("@")[2]
