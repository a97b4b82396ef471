"""MLflow's own server on a store, bound to this machine, as a child process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from autotransfer.errors import InvalidOptionError, one_line
from autotransfer.masking import masked_url
from autotransfer.tracking.places import STORE_FILE, check_uri, store_uri
from autotransfer.tracking.store import VIEW, open_client, patience, runs_page

START_SECONDS = 600.0  # on a busy machine
LAST_PORT = 65_535
_TRIED = 100  # ports, from the one that was asked for on
# no job processes (a quarter of a gigabyte each), no reports of use
_STORE = "MLFLOW_BACKEND_STORE_URI"
_SETTINGS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


@dataclass
class Viewer:
    """A server that runs as long as the block.

    Args:
        page: What comes after host and port: the trials, with useful columns.
    """

    uri: str = field(repr=False)
    folder: Path
    host: str
    port: int
    page: str
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, workspace: Path, uri: str | None, *, host: str, port: int) -> Viewer:
        """Return a viewer of a store that is there.

        Raises:
            InvalidOptionError: If there is no store, or no free port.
        """
        found = store_uri(uri, workspace)
        embedded = uri is None and "MLFLOW_TRACKING_URI" not in os.environ
        if embedded and not (workspace / STORE_FILE).is_file():
            raise InvalidOptionError(
                f"there are no runs in {workspace.resolve()} (no {STORE_FILE}); run a fit there "
                "first, or name another folder with --workspace"
            )
        if found.startswith(("http:", "https:")):
            raise InvalidOptionError(
                f"{masked_url(found)} is a server already; open it in a browser"
            )
        check_uri(found)
        try:
            page = _page(found)
        except (SQLAlchemyError, OSError) as error:
            raise InvalidOptionError(
                f"the MLflow store {masked_url(found)} cannot be opened ({one_line(error)}); "
                "fix it, or name another one with --tracking-uri"
            ) from error
        return cls(found, workspace, host, _free_port(host, port), page)

    @property
    def address(self) -> str:
        """Return scheme, host and port."""
        return f"http://{self.host}:{self.port}"

    def __enter__(self) -> Viewer:
        """Start the server and wait until it answers.

        Raises:
            InvalidOptionError: If it does not start.
        """
        command = [sys.executable, "-m", "mlflow", "server"]
        command += ["--host", self.host, "--port", str(self.port), "--workers", "1"]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            command,
            cwd=self.folder,
            # not as an argument, which everybody on the machine can read
            env={**os.environ, **_SETTINGS, _STORE: self.uri},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # all processes of the server end together
        )
        try:
            self._wait_until_it_answers(command)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait_until_it_answers(self, command: Sequence[str]) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise InvalidOptionError(
                    f"MLflow did not start on {self.address}; to see why: {_STORE}="
                    f"{masked_url(self.uri)} {' '.join(command)}"
                )
            time.sleep(0.5)

    def __exit__(self, *_: object) -> None:
        """Stop the server."""
        assert self._process is not None
        with suppress(ProcessLookupError):  # the first of them may have ended before the others
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        finally:  # a second interrupt does not wait
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def wait(self) -> int:
        """Return the server's exit code when it ends; 0 after Ctrl-C."""
        assert self._process is not None
        try:
            return self._process.wait()
        except KeyboardInterrupt:
            return 0

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=2) as answer:  # noqa: S310 - our own server
                return bool(answer.status == 200)
        except OSError:
            return False


def _free_port(host: str, first: int) -> int:
    for port in range(first, min(first + _TRIED, LAST_PORT + 1)):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise InvalidOptionError(f"no free port from {first} on at {host}; name another with --port")


def _page(uri: str) -> str:
    """Return the page of the experiment that was written last; the list of them without one."""
    try:
        with patience():
            found = open_client(uri).search_experiments(order_by=["last_update_time DESC"])
    except MlflowException:
        return "/"
    ours = [e for e in found if f"mlflow.sharedViewState.{VIEW}" in e.tags]
    return runs_page(ours[0].experiment_id) if ours else "/"
