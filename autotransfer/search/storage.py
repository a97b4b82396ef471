"""The Optuna storage of a study: SQLite in the workspace, or a database by URL."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import optuna
import sqlalchemy.exc
from optuna.storages import BaseStorage, RDBStorage, get_storage
from sqlalchemy.pool import NullPool

from autotransfer.errors import InvalidOptionError, StudyStorageError
from autotransfer.masking import masked, masked_url, note_secrets
from autotransfer.search.interrupts import whole

STORAGE_FILE = "autotransfer.db"
STORAGE_VARIABLE = "AUTOTRANSFER_STORAGE"
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
    """Return the URL of the storage: the given one, `AUTOTRANSFER_STORAGE`, or SQLite here."""
    named = storage or os.environ.get(STORAGE_VARIABLE)
    return named or sqlite_url(workspace / STORAGE_FILE)


def has_storage(storage: str | None, workspace: Path) -> bool:
    """Return whether a storage is named, or its file is there."""
    named = storage or os.environ.get(STORAGE_VARIABLE)
    return bool(named) or (workspace / STORAGE_FILE).exists()


def sqlite_url(file: Path) -> str:
    """Return the URL of a file of SQLite, whatever it is called."""
    # Only what would end or change the path: SQLAlchemy decodes it, MLflow does not.
    return f"sqlite:///{re.sub('[%?#]', lambda found: quote(found.group()), str(file.resolve()))}"


def check_database(url: str, option: str) -> None:
    """Refuse the URL of a database that could not be opened wherever it is.

    Raises:
        InvalidOptionError: If it is no URL, or its driver is not installed.
    """
    note_secrets(url)
    rest = url.partition("://")[2]
    if re.search("[/@?#]", rest.rpartition("@")[0]) and not rest.startswith("/"):
        raise InvalidOptionError(
            f"{option} {masked_url(url)}: in the password, write @ as %40, / as %2F, ? as %3F and "
            "# as %23; as it is the password ends there"
        )
    try:
        sqlalchemy.make_url(url).get_dialect().import_dbapi()
    except ImportError as error:
        raise InvalidOptionError(
            f"{option} {masked_url(url)} needs the Python module {error.name}, which is not "
            "installed: install it, or name another driver, as in postgresql+psycopg://"
        ) from error
    except (sqlalchemy.exc.SQLAlchemyError, ValueError) as error:
        raise InvalidOptionError(
            f"{option} {masked_url(url)!r} is not the URL of a database ({_cause(error)}); write "
            "postgresql+psycopg://HOST/DATABASE, with USER:PASSWORD@ before HOST where it is "
            "needed, or sqlite:////FOLDER/FILE.db"
        ) from error


def open_storage(url: str) -> BaseStorage:
    """Return a storage that waits for a database that is away, for a minute at most.

    Raises:
        StudyStorageError: If it cannot be opened.
    """
    note_secrets(url)
    storage = get_storage(_opened(url))  # with Optuna's own cache
    for name in _METHODS:
        setattr(storage, name, _patient(getattr(storage, name), url))
    return storage


def _opened(url: str, attempts: int = _ATTEMPTS) -> RDBStorage:
    """Return the storage, its tables made, even while another process makes them too."""
    try:
        return RDBStorage(_plain(url), engine_kwargs=_engine_options(url))
    except (sqlalchemy.exc.SQLAlchemyError, ImportError, ValueError, *_AWAY) as error:
        cause = _cause(error)
        if attempts == 1 or not any(text in cause for text in _MADE_AT_ONCE):
            raise StudyStorageError(masked_url(url), cause) from error
    time.sleep(_FIRST_WAIT)
    return _opened(url, attempts - 1)


def _plain(url: str) -> str:
    """Return the URL as Optuna takes it: as a template, in which braces have a meaning."""
    if "{SCHEMA_VERSION}" in url:
        return url
    return url.replace("{", "{{").replace("}", "}}")


def _engine_options(url: str) -> dict[str, Any]:
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
                with whole():
                    return action(*args, **more)
            except optuna.exceptions.UpdateFinishedTrialError:
                if again:  # the attempt before had come through, only its answer was lost
                    return True
                raise
            except _AWAY as error:
                cause = _cause(error)
                if spent >= PATIENCE_SECONDS or any(text in cause for text in _FULL):
                    raise StudyStorageError(masked_url(url), cause) from error
                _log.warning("the study's storage is away (%s); trying again", cause)
            time.sleep(wait)
            spent, again = spent + wait, True
            wait = min(2 * wait, _LONGEST_WAIT)

    return tried


def _cause(error: BaseException) -> str:
    """Return the innermost reason on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return masked(" ".join(f"{type(error).__name__}: {error}".split()))[:300]
