from __future__ import annotations

import socket
from typing import Any

import pytest
from huggingface_hub import constants

from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.errors import InvalidSourceError
from autotransfer.models import hub
from autotransfer.models.backbone import load_backbone
from autotransfer.models.hub import cached_only_when_unreachable, reachable
from autotransfer.models.source import HubWeights, Source


@pytest.fixture
def unplugged(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name can be resolved, and there is no proxy."""

    def fail(*_: Any, **__: Any) -> None:
        raise socket.gaierror("no such host")

    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setattr(hub, "_away", {})


@pytest.mark.usefixtures("unplugged")
def test_without_a_network_only_the_cache_is_asked() -> None:
    before = constants.HF_HUB_OFFLINE
    assert not reachable()
    with cached_only_when_unreachable():
        assert constants.HF_HUB_OFFLINE
    assert before == constants.HF_HUB_OFFLINE


def test_a_proxy_is_trusted_to_know_the_hub(
    unplugged: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert reachable()


@pytest.mark.usefixtures("unplugged")
def test_weights_that_cannot_be_fetched_end_with_the_ways_out() -> None:
    source = Source("far", "resnet18", HubWeights("resnet18.a1_in1k"), Preprocessing(64))
    with pytest.raises(InvalidSourceError, match="catalogue of local files"):
        load_backbone(source)
