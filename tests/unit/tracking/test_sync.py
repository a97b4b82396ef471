from __future__ import annotations

import json
from typing import Any, cast

import pytest

from autotransfer.errors import InvalidOptionError
from autotransfer.search.study import Study
from autotransfer.tracking.sync import TrackingPlan, tracking_uri_of

NAMED = "http://ann:sesame@h:5000"
SHOWN = "http://***@h:5000"


class _Kept:
    """Keeps values as a study does."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def recall(self, key: str) -> Any:
        return self.values.get(key)

    def remember(self, key: str, value: Any) -> None:
        self.values[key] = json.loads(json.dumps(value))


def _study(uri: str | None) -> tuple[Study, _Kept]:
    kept = _Kept()
    study = cast("Study", kept)
    TrackingPlan(uri, "e", "/w/ants", {}, {}).keep(study)
    return study, kept


@pytest.mark.parametrize("uri", [None, "http://h:5000", "sqlite:////w/m.db"])
def test_where_the_records_go_is_kept_for_the_next_time(uri: str | None) -> None:
    study, _ = _study(uri)
    assert tracking_uri_of(study, None) == uri
    assert tracking_uri_of(study, "http://other") == "http://other"


def test_a_password_is_not_kept_and_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    study, kept = _study(NAMED)
    assert "sesame" not in json.dumps(kept.values)
    with pytest.raises(
        InvalidOptionError, match=r"--tracking-uri or in MLFLOW_TRACKING_URI"
    ) as said:
        tracking_uri_of(study, None)
    assert SHOWN in str(said.value)
    assert tracking_uri_of(study, NAMED) == NAMED
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NAMED)
    assert tracking_uri_of(study, None) is None  # which means that of the environment


def test_a_password_that_an_earlier_version_kept_is_used_once_and_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    study, kept = _study(None)
    kept.values["tracking"]["uri"] = NAMED
    assert tracking_uri_of(study, None) == NAMED
    assert kept.values["tracking"]["uri"] == SHOWN
    with pytest.raises(InvalidOptionError, match="not kept"):
        tracking_uri_of(study, None)


def test_a_study_that_was_never_tracked_says_nothing() -> None:
    assert tracking_uri_of(cast("Study", _Kept()), None) is None
