from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from autotransfer.errors import InvalidOptionError
from autotransfer.results import RECORD_FILE, Record
from autotransfer.search.checkpoint import write_json
from autotransfer.search.record_file import record_to_json
from autotransfer.search.run_folder import claim
from autotransfer.search.study import Study
from autotransfer.tracking import sync as module
from autotransfer.tracking.plan import INTERRUPTED, TrackingPlan, tracking_uri_of
from autotransfer.tracking.registration import Registration
from autotransfer.tracking.sync import sync
from tests.unit.tracking.conftest import MakeRecord

NAMED = "http://ann:sesame@h:5000"
SHOWN = "http://***@h:5000"


class _Kept:
    """Keeps values as a study does."""

    outcomes = ()

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


class _Tracker:
    """Notes how a run is ended."""

    run_id, reached = "r1", True

    def __init__(self, *_: Any, **__: Any) -> None:
        self.told: list[Any] = []
        _Tracker.last = self

    last: _Tracker

    def resume(self, _run_id: str) -> bool:
        return True

    def write(self, _outcome: object) -> None:
        pass

    def stop(self) -> None:
        self.told.append("stopped")

    def finish(self, _record: object, _folder: Path, *, registration: Any) -> str:
        self.told.append(registration)
        return ""


@pytest.fixture
def synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """A function that syncs a study with a folder, and returns how its run was ended."""
    monkeypatch.setattr(module, "Tracker", _Tracker)
    monkeypatch.chdir(tmp_path)

    def run(folder: Path, *, interrupted: bool = False) -> list[Any]:
        study = _Kept()
        TrackingPlan(None, "e", str(folder), {}, {}, register="plants").keep(cast("Study", study))
        study.values |= {"run_id": "r1", INTERRUPTED: interrupted}
        monkeypatch.setattr(module, "load_studies", lambda **_: {"ants": study})
        sync(["ants"])
        return _Tracker.last.told

    return run


def _saved(folder: Path, record: Record) -> Path:
    folder.mkdir()
    write_json(folder / RECORD_FILE, record_to_json(record))
    return folder


def test_an_answer_that_an_interrupted_fit_saved_is_not_registered(
    synced: Callable[..., list[Any]], tmp_path: Path, make_record: MakeRecord
) -> None:
    folder = _saved(tmp_path / "ants", make_record())
    assert synced(folder, interrupted=True) == [None]
    assert synced(folder) == [Registration("plants")]


def test_only_a_run_whose_fit_has_ended_is_ended(
    synced: Callable[..., list[Any]], tmp_path: Path, make_record: MakeRecord
) -> None:
    assert synced(tmp_path / "on another machine") == []
    folder = _saved(tmp_path / "ants", make_record())
    with claim("ants", None, folder, None, resume=True, workspace=tmp_path):
        assert synced(folder) == []  # what is in it is of an earlier invocation
    (folder / RECORD_FILE).unlink()
    assert synced(folder) == ["stopped"]


def test_a_study_that_was_never_tracked_says_nothing() -> None:
    assert tracking_uri_of(cast("Study", _Kept()), None) is None
