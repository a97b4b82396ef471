from __future__ import annotations

import logging
import os
import time
import warnings
from pathlib import Path

import pytest
import sqlalchemy
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.db import utils

from autotransfer.errors import InvalidOptionError
from autotransfer.tracking.places import check_uri, embedded_uri
from autotransfer.tracking.projection import Figure
from autotransfer.tracking.store import Store, patience
from autotransfer.tracking.tracker import Tracker


@pytest.fixture
def quiet() -> None:
    """The client outside of `patience`: what its libraries warn about is theirs."""
    warnings.simplefilter("ignore")


@pytest.mark.parametrize("name", ["plain", "with blank", "größe", "50%25", "what?", "a#b"])
def test_the_embedded_store_is_the_file_in_the_workspace(tmp_path: Path, name: str) -> None:
    workspace = tmp_path / name
    workspace.mkdir()
    uri = embedded_uri(workspace)
    assert sqlalchemy.make_url(uri).database == str(workspace / "mlflow.db")
    getattr(utils, "_make_parent_dirs_if_sqlite", lambda _: None)(uri)  # of MLflow 3.17
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_environment_names_the_store_unless_the_call_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert Store(None, "e", tmp_path).uri == "http://127.0.0.1:9"
    assert Store("sqlite:///x.db", "e", tmp_path).uri == "sqlite:///x.db"


def test_user_and_password_are_not_shown(tmp_path: Path) -> None:
    tracker = Tracker("postgresql://ann:secret@db:5432/runs", "e", tmp_path)
    assert tracker.uri == "postgresql://***@db:5432/runs"


@pytest.mark.parametrize(
    "uri", ["foo://u:hidden@h", "s3://bucket/x", "mysql+nosuch://u:hidden@h/x", "redis://h", "off"]
)
def test_a_uri_under_which_nothing_could_be_written_is_refused(uri: str) -> None:
    with pytest.raises(InvalidOptionError, match="tracking_uri") as refused:
        check_uri(uri)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    "uri",
    ["http://u:p@h", "https://h", "file:///x", "runs", "./runs", "sqlite:///x.db", "databricks"],
)
def test_a_store_that_may_be_away_is_not_refused(uri: str) -> None:
    check_uri(uri)


def test_artifacts_of_a_new_experiment_lie_in_the_workspace(
    store_folder: Path, tmp_path: Path, quiet: None
) -> None:
    store = Store(embedded_uri(store_folder), "places", tmp_path)
    experiment = store.client.get_experiment(store.experiment_id())
    assert experiment.artifact_location == (tmp_path / "mlartifacts").as_uri()
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    again = Store(embedded_uri(store_folder), "places", store_folder)
    assert again.experiment_id() == store.experiment_id()


def test_an_experiment_that_another_process_makes_meanwhile_is_used(
    store_folder: Path, monkeypatch: pytest.MonkeyPatch, quiet: None
) -> None:
    store = Store(embedded_uri(store_folder), "race", store_folder)
    made = store.experiment_id()
    known = store.client.get_experiment_by_name
    answers = iter([None])
    monkeypatch.setattr(
        store.client, "get_experiment_by_name", lambda name: next(answers, known(name))
    )
    assert store.experiment_id() == made


def test_a_deleted_experiment_is_named_with_the_way_out(store_folder: Path, quiet: None) -> None:
    store = Store(embedded_uri(store_folder), "deleted", store_folder)
    store.client.delete_experiment(store.experiment_id())
    with pytest.raises(MlflowException, match="'deleted' was deleted; restore it"):
        store.experiment_id()


def test_more_entries_than_a_batch_takes_are_all_written(store_folder: Path, quiet: None) -> None:
    store = Store(embedded_uri(store_folder), "batches", store_folder)
    run_id = store.client.create_run(store.experiment_id()).info.run_id
    store.log(
        run_id,
        params={f"p{i}": str(i) for i in range(130)},
        figures=tuple(Figure("curve", i / 10, i, float(i)) for i in range(1700)),
        tags={f"t{i}": str(i) for i in range(101)},
        start_ms=1000,
    )
    run = MlflowClient(store.uri, store.uri).get_run(run_id)
    assert len(run.data.params) == 130
    assert sum(name.startswith("t") for name in run.data.tags) == 101
    points = store.client.get_metric_history(run_id, "curve")
    assert {(p.step, p.value, p.timestamp) for p in points} == {
        (i, i / 10, 1000 + 1000 * i) for i in range(1700)
    }


def test_a_database_that_does_not_open_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").mkdir()
    began = time.monotonic()
    with pytest.raises(sqlalchemy.exc.OperationalError):
        Store(None, "e", tmp_path).client  # noqa: B018 - opens the store
    assert time.monotonic() - began < 30  # MLflow alone: 100 seconds


def test_the_limits_hold_only_inside_and_only_where_the_user_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "120")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    with patience():
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "120"
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "2"
        warnings.warn("inner", DeprecationWarning, stacklevel=1)
        assert not logging.getLogger("mlflow.store.db.utils").isEnabledFor(logging.ERROR)
    assert logging.getLogger("mlflow.store.db.utils").isEnabledFor(logging.ERROR)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "120"
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ
