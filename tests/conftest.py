from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from autotransfer import masking
from tests.own_postgresql import INITDB, PostgreSql

# A property is true or not; how long an example takes is the machine's business.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# The networks of the tests are tiny: more threads cost more than they give, the more so where
# two processes share two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest.register_assert_rewrite("autotransfer.plugin.testing")

REPOSITORY = Path(__file__).resolve().parents[1]

# Half of the time of a fit on so few images goes by while a disk writes databases to the end:
# temporary folders lie in memory where the system has a file system there with enough room.
MEMORY = Path("/dev/shm")  # noqa: S108 - looked at before it is used
ROOM = 4 << 30

if (
    "TMPDIR" not in os.environ
    and os.access(MEMORY, os.W_OK)
    and shutil.disk_usage(MEMORY).free > ROOM
):
    os.environ["TMPDIR"] = str(MEMORY)
    tempfile.tempdir = None


@pytest.fixture(scope="session")
def kit() -> Path:
    """The folder of real images and networks, or a skip."""
    folder = Path(os.environ.get("AUTOTRANSFER_KIT", REPOSITORY.parent / "shared" / "kit"))
    if not (folder / "weights" / "catalogue.toml").is_file():
        pytest.skip(f"no kit at {folder}; set AUTOTRANSFER_KIT")
    return folder


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache, workspace, plugins or tracking server."""
    monkeypatch.setenv("AUTOTRANSFER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("AUTOTRANSFER_PLUGINS", raising=False)
    monkeypatch.setattr(masking, "_secrets", set())  # passwords that other tests have named
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def kit_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all fits on the kit, in all processes of a session."""
    folder = tmp_path_factory.getbasetemp()
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    return (folder if alone else folder.parent) / "kit-cache"


def _on_disk() -> Iterator[Path]:
    persistent = "/var/tmp"  # noqa: S108 - the one that outlives a restart
    folder = tempfile.mkdtemp(prefix="at-", dir=persistent if Path(persistent).is_dir() else None)
    yield Path(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def disk_path() -> Iterator[Path]:
    """An empty folder on a disk, for what has to be written to the end or is too much to keep."""
    yield from _on_disk()


@pytest.fixture(scope="module")
def disk_folder() -> Iterator[Path]:
    """An empty folder on a disk for the tests of a module."""
    yield from _on_disk()


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the tables of MLflow, which takes seconds to make, to copy for each fit."""
    from autotransfer.tracking.places import embedded_uri
    from autotransfer.tracking.store import Store

    folder = tmp_path_factory.mktemp("mlflow")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Store(embedded_uri(folder), "unused", folder).client.search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def mlflow_tables(tmp_path: Path, mlflow_database: Path) -> None:
    """A fit finds the tables of MLflow in its workspace, and only writes in them."""
    shutil.copy(mlflow_database, tmp_path / "mlflow.db")


@pytest.fixture(scope="session")
def _postgresql() -> Iterator[PostgreSql]:
    """One server for all tests of a session, which start and stop it as they like."""
    if INITDB is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    pytest.importorskip("psycopg", reason="psycopg is not installed (autotransfer[postgresql])")
    folder = Path(tempfile.mkdtemp(prefix="at-pg-"))
    try:
        try:
            server = PostgreSql(folder)
            server.start()
        except (subprocess.SubprocessError, OSError, LookupError) as error:
            pytest.skip(f"PostgreSQL cannot be started here: {error}")
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgresql(_postgresql: PostgreSql) -> PostgreSql:
    """A started PostgreSQL server with an empty database, or a skip."""
    _postgresql.renew()
    return _postgresql
