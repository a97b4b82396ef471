"""Without a network: in seconds, with each reason once and the ways out."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from huggingface_hub import constants

from autotransfer.errors import InvalidSourceError, NoCandidateError
from autotransfer.models import hub
from autotransfer.models.source import HubWeights, Source
from autotransfer.models.weights import hub_error
from autotransfer.plugin.testing import tiny_source
from autotransfer.results import Skipped
from autotransfer.transferability.ranking.race_rounds import leave_out


@pytest.fixture(autouse=True)
def without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(hub, "_away", {})


def test_a_reason_that_all_sources_share_is_said_once() -> None:
    error = NoCandidateError(
        [f"{name}: source {name!r}: not fetched (no route)" for name in ("a", "b", "c")]
        + ["d: timm has no architecture 'd'"]
    )
    assert str(error).splitlines() == [
        "no source and strategy left to try:",
        "  a, b, c: not fetched (no route)",
        "  d: timm has no architecture 'd'",
    ]
    assert len(error.reasons) == 4


def test_the_second_source_that_cannot_be_fetched_refers_to_the_first() -> None:
    skipped: list[Skipped] = []
    with pytest.warns(match="left out: source 'a': no route"):
        leave_out(tiny_source("a"), InvalidSourceError("source 'a': no route"), skipped)
    with pytest.warns(match="left out: source 'b', for the same reason"):
        leave_out(tiny_source("b"), InvalidSourceError("source 'b': no route"), skipped)
    assert [skip.reason for skip in skipped] == ["source 'a': no route", "source 'b': no route"]


def test_the_error_names_every_way_out() -> None:
    source = Source("far", "resnet18", HubWeights("x"), tiny_source().preprocessing)
    told = str(hub_error(source.name, OSError("no route. And so on")))
    for way in ("(no route)", "--sources catalogue.toml", "HF_HOME", "HF_ENDPOINT"):
        assert way in told


def test_a_hub_that_resolves_but_takes_no_connection_is_given_up_in_seconds_and_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def blocked(place: tuple[str, int], timeout: float) -> None:
        asked.append((place, timeout))
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", blocked)
    monkeypatch.setattr(constants, "ENDPOINT", "https://mirror.example:8443")
    assert not hub.reachable()
    assert not hub.reachable()
    assert asked == [(("mirror.example", 8443), hub.PATIENCE_SECONDS)]
    assert hub.PATIENCE_SECONDS <= 5


def test_a_server_that_listens_is_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        began = time.monotonic()
        assert hub.reachable()
        assert time.monotonic() - began < 2
