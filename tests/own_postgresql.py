"""A PostgreSQL server of a test's own on the loopback interface."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

_DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
_FOUND = shutil.which("initdb")
INITDB = _DEBIAN[-1] if _DEBIAN else None if _FOUND is None else Path(_FOUND).resolve()


class PostgreSql:
    """A server in a folder, not started yet.

    It refuses to run as root: there it runs as the user whom Debian's package makes.

    Args:
        folder: An empty folder with a short path: a socket lies in it.
    """

    def __init__(self, folder: Path) -> None:
        assert INITDB is not None
        self.folder = folder
        self.database = "postgres"
        self._databases = 0
        self._bin = INITDB.parent
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
        """Return the storage URL for Optuna."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{self.database}"

    @property
    def address(self) -> str:
        """Return the address for other clients."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{self.database}"

    def renew(self) -> None:
        """Make an empty database and name it from now on; start the server if it is stopped."""
        if not (self.folder / "data" / "postmaster.pid").exists():
            self.start()
        self._databases += 1
        self.database = f"test{self._databases}"
        place = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres")
        self._run("createdb", *place, self.database)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder}"
        log = f"{self.folder}/log"
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-o", options, "-l", log, "-w", "start")

    def stop(self) -> None:
        """Stop it as a crash would."""
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "stop")

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(
            [*self._as, str(self._bin / name), *arguments],
            check=True,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=120,
        )
