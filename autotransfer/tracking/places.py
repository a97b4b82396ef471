"""Where the records of a fit go: the URI of an MLflow store, without importing MLflow."""

from __future__ import annotations

import os
import re
from importlib.metadata import entry_points
from pathlib import Path

from autotransfer.errors import InvalidOptionError
from autotransfer.masking import masked_url, note_secrets
from autotransfer.search.storage import check_database, sqlite_url

VARIABLE = "MLFLOW_TRACKING_URI"
OFF = "off"  # instead of a tracking URI: nothing is written
STORE_FILE = "mlflow.db"

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_OTHERS = ("", "file", "http", "https", "databricks", "databricks-uc", "uc")


def store_uri(uri: str | None, workspace: Path) -> str:
    """Return the tracking URI: the given one, `MLFLOW_TRACKING_URI`, or SQLite here."""
    return uri or os.environ.get(VARIABLE) or embedded_uri(workspace)


def is_database(uri: str) -> bool:
    """Return whether the store is a database that this process opens itself."""
    return re.split(r"[+:]", uri)[0] in _DATABASES


def check_uri(uri: str) -> None:
    """Refuse a tracking URI under which nothing could be written, whatever answers there.

    Raises:
        InvalidOptionError: If MLflow has no store of that kind, or a driver is not installed.
    """
    note_secrets(uri)
    if uri == OFF:
        raise InvalidOptionError("tracking_uri off is for a fit; here a store is needed: name it")
    if is_database(uri):
        check_database(uri, "tracking_uri")
        return
    scheme = uri.partition("://")[0] if "://" in uri else ""
    plugins = {point.name for point in entry_points(group="mlflow.tracking_store")}
    if scheme not in plugins.union(_OTHERS):
        raise InvalidOptionError(
            f"tracking_uri {masked_url(uri)}: MLflow has no store of the kind {scheme!r}; it has "
            f"{', '.join(sorted(plugins.union(_DATABASES, _OTHERS) - {''}))}, and folders"
        )


def embedded_uri(workspace: Path) -> str:
    """Return the URI of the store that a plain `mlflow ui` in the workspace shows."""
    return sqlite_uri(workspace / STORE_FILE)


def sqlite_uri(path: Path) -> str:
    """Return the URI of a SQLite file that SQLAlchemy and MLflow read alike."""
    uri = sqlite_url(path)
    # MLflow makes the folder after `sqlite:///`, and does not decode it as SQLAlchemy does.
    return uri.replace("sqlite:", "sqlite+pysqlite:", 1) if "%" in uri else uri
