from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from autotransfer.errors import InvalidOptionError
from autotransfer.tracking import viewer
from autotransfer.tracking.viewer import Viewer

URI = "postgresql+psycopg://ann:sesame@127.0.0.1:1/runs"


class _Ended:
    """A server that ends at once."""

    started: tuple[list[str], dict[str, str]]

    def __init__(self, command: list[str], *, env: dict[str, str], **_more: Any) -> None:
        _Ended.started = command, env

    def poll(self) -> int:
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
    monkeypatch.setattr(viewer, "_page", lambda _: pytest.fail("MLflow was asked"))
    with pytest.raises(InvalidOptionError, match=said) as refused:
        Viewer.of(tmp_path, uri, host="127.0.0.1", port=45_873)
    assert "sesame" not in str(refused.value)
    assert "\n" not in str(refused.value)
