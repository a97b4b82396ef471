from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from autotransfer.errors import InvalidOptionError
from autotransfer.search.interrupts import ended_like_interrupts
from autotransfer.tracking import store
from autotransfer.tracking.viewer import Viewer

URI = "postgresql+psycopg://ann:sesame@127.0.0.1:1/runs"


class _Ended:
    """A server that ends at once."""

    started: tuple[list[str], dict[str, str]]

    def __init__(self, command: list[str], *, env: dict[str, str], **_more: Any) -> None:
        _Ended.started = command, env

    pid = 1 << 30  # of nobody

    def poll(self) -> int:
        return 1

    def wait(self, _seconds: float | None = None) -> int:
        return 1


def test_the_password_of_the_store_is_not_in_the_list_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", _Ended)
    with pytest.raises(InvalidOptionError, match=r"MLflow did not start") as refused:
        Viewer(URI, tmp_path, "127.0.0.1", 45_872, "/").__enter__()
    command, environment = _Ended.started
    assert "sesame" not in " ".join(command)
    assert environment["MLFLOW_BACKEND_STORE_URI"] == URI
    assert "MLFLOW_BACKEND_STORE_URI=postgresql+psycopg://***@127.0.0.1:1/runs" in str(
        refused.value
    )
    assert "sesame" not in repr(Viewer(URI, tmp_path, "127.0.0.1", 45_872, "/"))


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://ann:sesame@127.0.0.1:9", r"http://\*\*\*@127.0.0.1:9 is a server already"),
        (URI, r"the MLflow store postgresql\+psycopg://\*\*\*@127.0.0.1:1/runs cannot be opened"),
        ("nosuch://ann:sesame@h", r"no store of the kind 'nosuch'"),
    ],
)
def test_a_store_that_cannot_be_shown_is_refused_without_its_password(
    tmp_path: Path, uri: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MlflowClient", lambda *_: pytest.fail("MLflow was asked"))
    with pytest.raises(InvalidOptionError, match=said) as refused:
        Viewer.of(tmp_path, uri, host="127.0.0.1", port=45_873)
    assert "sesame" not in str(refused.value)
    assert "\n" not in str(refused.value)


# Stands for MLflow's server: a process that starts another, which outlives it if it can.
SERVER = ["sh", "-c", "sleep 200 & echo started; wait"]


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> int:
    """A pipe that is closed when both processes are gone."""
    reading, writing = os.pipe()
    start = subprocess.Popen

    def popen(_command: Any, **options: Any) -> Any:
        process = start(SERVER, **{**options, "stdout": writing})
        os.close(writing)
        assert os.read(reading, 8) == b"started\n"
        return process

    monkeypatch.setattr(subprocess, "Popen", popen)
    return reading


def _viewer() -> Viewer:
    return Viewer("sqlite:///mlflow.db", Path(), "127.0.0.1", 5999, "/")


def _ask_to_end(*_: object) -> bool:
    os.kill(os.getpid(), signal.SIGTERM)
    return True


def test_a_server_that_is_still_starting_ends_with_the_command(
    alive: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Viewer, "_answers", _ask_to_end)
    with ended_like_interrupts(), pytest.raises(KeyboardInterrupt), _viewer():
        pytest.fail("it went on")
    assert os.read(alive, 1) == b""


def test_sigterm_ends_the_server_and_all_its_processes(
    alive: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Viewer, "_answers", lambda _: True)
    with ended_like_interrupts(), _viewer() as viewer:
        assert viewer._process is not None
        monkeypatch.setattr(viewer._process, "wait", _ask_to_end)
        assert viewer.wait() == 0
        monkeypatch.undo()
    assert os.read(alive, 1) == b""
