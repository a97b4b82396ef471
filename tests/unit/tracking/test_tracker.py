from __future__ import annotations

import json
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from autotransfer.errors import TrackingWarning
from autotransfer.results import Outcome, State
from autotransfer.tracking.places import embedded_uri
from autotransfer.tracking.projection import FIT_TAG
from autotransfer.tracking.store import Store
from autotransfer.tracking.tracker import Tracker
from tests.unit.tracking.conftest import HOSTILE, MakeOutcome, MakeRecord

# sqlalchemy 2.1 warns of what MLflow 3.17 does in its own tables
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture
def uri(store_folder: Path) -> str:
    return embedded_uri(store_folder)


@pytest.fixture
def client(uri: str) -> MlflowClient:
    return MlflowClient(uri, uri)


@pytest.fixture
def tracker(uri: str, tmp_path: Path, request: pytest.FixtureRequest) -> Tracker:
    """A started tracker, in an experiment of the test's own."""
    tracker = Tracker(uri, request.node.name, tmp_path)
    assert tracker.start("fit", params={"metric": "accuracy", "seed": 0}, tags={"target": "t"})
    return tracker


def children(client: MlflowClient, tracker: Tracker) -> list[Run]:
    parent = client.get_run(tracker.run_id)
    runs = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{tracker.run_id}'"
    )
    return sorted(runs, key=lambda run: int(run.data.tags["autotransfer.number"]))


def test_a_fit_is_one_parent_and_one_child_for_each_trial(
    tracker: Tracker, client: MlflowClient, make_outcome: MakeOutcome, make_record: MakeRecord
) -> None:
    outcomes = (
        make_outcome(0),
        make_outcome(1, state=State.PRUNED, value=None, log_loss=None, reason="below the others"),
        make_outcome(4, state=State.FAILED, value=None, log_loss=None, error="Traceback: x"),
    )
    for outcome in outcomes:
        tracker.write(outcome)
    tracker.finish(make_record(outcomes), None)

    runs = children(client, tracker)
    assert [run.data.tags["autotransfer.number"] for run in runs] == ["0", "1", "4"]
    assert [run.data.tags["state"] for run in runs] == ["complete", "pruned", "failed"]
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED", "FAILED"]
    assert runs[0].data.params["source"] == "mobilenetv1-025-person"
    assert runs[0].data.metrics["val/accuracy"] == 0.75
    assert runs[0].info.end_time - runs[0].info.start_time == 2000
    rungs = client.get_metric_history(runs[0].info.run_id, "rung/accuracy")
    assert [(point.step, point.value) for point in rungs] == [(1, 0.6), (9, 0.75)]
    assert [file.path for file in client.list_artifacts(runs[2].info.run_id)] == ["error.txt"]

    parent = client.get_run(tracker.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.params == {"metric": "accuracy", "seed": "0"}
    assert parent.data.tags["target"] == "t"
    assert parent.data.tags["verdict"] == "positive"
    assert parent.data.tags["mlflow.note.content"].startswith("**mobilenetv1-025-person**")
    assert parent.data.metrics["trials/pruned"] == 1
    curve = client.get_metric_history(tracker.run_id, "best/val_accuracy")
    assert [(point.step, point.value) for point in curve] == [(0, 0.75), (1, 0.75), (4, 0.75)]


def test_the_whole_record_and_the_ranking_are_artifacts(
    tracker: Tracker, client: MlflowClient, make_record: MakeRecord, tmp_path: Path
) -> None:
    tracker.finish(make_record(), None)
    folder = Path(client.download_artifacts(tracker.run_id, "", str(tmp_path)))
    record = json.loads((folder / "selection.json").read_text())
    assert record["verdict"]["decision"] == "positive"
    assert (folder / "ranking.csv").read_text().splitlines()[1].startswith("vit_small,yes,1")


def test_writing_everything_twice_leaves_the_same_runs(
    tracker: Tracker, client: MlflowClient, uri: str, tmp_path: Path, make_outcome: MakeOutcome,
    make_record: MakeRecord,
) -> None:  # fmt: skip
    outcomes = tuple(make_outcome(i) for i in range(3))
    tracker.write(outcomes[0])
    tracker.write(outcomes[0])
    tracker.finish(make_record(outcomes), None)
    before = [run.info.run_id for run in children(client, tracker)]
    assert len(before) == 3

    assert Tracker(uri, "any", tmp_path, reopen=False).resume(str(tracker.run_id))
    assert client.get_run(tracker.run_id).info.status == "FINISHED"
    again = Tracker(uri, "any", tmp_path)
    assert again.resume(str(tracker.run_id))
    assert client.get_run(tracker.run_id).info.status == "RUNNING"
    for outcome in outcomes:
        again.write(outcome)
    again.finish(make_record(outcomes), None)
    assert [run.info.run_id for run in children(client, again)] == before
    assert len(client.get_metric_history(tracker.run_id, "best/val_accuracy")) == 3
    assert client.get_run(tracker.run_id).info.status == "FINISHED"


def test_a_child_that_a_killed_driver_left_half_written_is_completed(
    tracker: Tracker, client: MlflowClient, uri: str, tmp_path: Path, make_outcome: MakeOutcome,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def killed(*_args: Any, **_kwargs: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "log", killed)
        with pytest.raises(KeyboardInterrupt):
            tracker.write(make_outcome(0))
    assert [run.info.status for run in children(client, tracker)] == ["RUNNING"]

    again = Tracker(uri, "any", tmp_path)
    again.resume(str(tracker.run_id))
    again.write(make_outcome(0))
    (child,) = children(client, again)
    assert child.info.status == "FINISHED"
    assert child.data.metrics["val/accuracy"] == 0.75


def test_a_resumed_fit_writes_to_the_experiment_and_in_the_metric_of_its_start(
    client: MlflowClient, uri: str, tmp_path: Path, make_outcome: MakeOutcome
) -> None:
    first = Tracker(uri, "by-loss", tmp_path)
    run_id = first.start("fit", params={"metric": "log_loss"}, tags={})
    again = Tracker(uri, "another", tmp_path)
    again.resume(str(run_id))
    again.write(make_outcome(0, value=-0.6))
    (child,) = children(client, again)
    assert child.data.metrics["val/log_loss"] == 0.6
    assert client.get_experiment_by_name("another") is None


def test_a_run_that_is_gone_asks_for_a_new_start(
    uri: str, tmp_path: Path, client: MlflowClient, tracker: Tracker
) -> None:
    client.delete_run(tracker.run_id)
    again = Tracker(uri, "gone", tmp_path)
    for run_id in (str(tracker.run_id), "0" * 32):
        with pytest.warns(TrackingWarning, match=f"has no run {run_id}"):
            assert not again.resume(run_id)
    assert again.run_id is None
    assert again.start("fit", params={}, tags={}) is not None


def test_a_failed_fit_says_why(tracker: Tracker, client: MlflowClient) -> None:
    tracker.fail("no trial\nfinished")
    run = client.get_run(tracker.run_id)
    assert (run.info.status, run.data.tags["reason"]) == ("FAILED", "no trial finished")


def test_an_interrupted_fit_is_not_left_running_and_one_that_has_ended_stays(
    tracker: Tracker, client: MlflowClient, make_record: MakeRecord
) -> None:
    tracker.stop()
    run = client.get_run(tracker.run_id)
    assert (run.info.status, run.data.tags["reason"]) == ("KILLED", "interrupted")
    tracker.fail("later")
    assert client.get_run(tracker.run_id).info.status == "KILLED"


def test_a_run_that_a_killed_fit_could_not_note_is_found_by_the_key_of_the_fit(
    uri: str, client: MlflowClient, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    found = []
    for key in ("one", "one", "two"):
        tracker = Tracker(uri, request.node.name, tmp_path)
        found.append(tracker.start("fit", params={"seed": 0}, tags={FIT_TAG: key}))
    assert found[0] == found[1] != found[2]
    client.delete_run(str(found[0]))
    again = Tracker(uri, request.node.name, tmp_path)
    assert again.start("fit", params={}, tags={FIT_TAG: "one"}) not in found


def test_hostile_names_are_written_as_data(
    uri: str, client: MlflowClient, tmp_path: Path, make_outcome: MakeOutcome,
    make_record: MakeRecord,
) -> None:  # fmt: skip
    outcome = make_outcome(
        source=HOSTILE,
        strategy=HOSTILE,
        params={HOSTILE: HOSTILE, "long": "x" * 300, "..": 1},
        reason=HOSTILE * 40,
    )
    tracker = Tracker(uri, HOSTILE, tmp_path)
    tracker.start(HOSTILE, params={HOSTILE: HOSTILE}, tags={HOSTILE: HOSTILE})
    tracker.write(outcome)
    tracker.finish(make_record((outcome,), provenance={HOSTILE: HOSTILE}), None)
    (child,) = children(client, tracker)
    assert child.data.params["source"] == " ".join(HOSTILE.split())
    assert "x" * 300 in child.data.params.values()
    assert "<script>" not in client.get_run(tracker.run_id).data.tags["mlflow.note.content"]


def test_the_active_run_and_the_uri_of_the_user_stay(
    uri: str, tmp_path: Path, make_outcome: MakeOutcome, make_record: MakeRecord
) -> None:
    theirs = embedded_uri(tmp_path)
    try:
        mlflow.set_tracking_uri(theirs)
        with mlflow.start_run() as run:
            tracker = Tracker(uri, "ours", tmp_path)
            tracker.start("fit", params={}, tags={})
            tracker.write(make_outcome(0))
            tracker.finish(make_record(), None)
            active = mlflow.active_run()
            assert active is not None
            assert active.info.run_id == run.info.run_id
            assert mlflow.get_tracking_uri() == theirs
        kept = MlflowClient(theirs, theirs).get_run(run.info.run_id)
        assert (kept.data.params, kept.data.metrics) == ({}, {})
    finally:
        mlflow.set_tracking_uri(None)  # what was asked before is the default of this folder


def test_the_page_of_the_trials_has_the_columns_that_tell_them_apart(
    tracker: Tracker, client: MlflowClient
) -> None:
    experiment_id = client.get_run(tracker.run_id).info.experiment_id
    assert tracker.page is not None
    assert tracker.page.startswith(f"/#/experiments/{experiment_id}/runs?")
    state = json.loads(
        client.get_experiment(experiment_id).tags["mlflow.sharedViewState.autotransfer"]
    )
    assert "tags.`strategy`" in state["selectedColumns"]


def test_a_server_that_is_down_costs_one_warning_and_little_time(
    tmp_path: Path, make_outcome: MakeOutcome, make_record: MakeRecord,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracker = Tracker(NOWHERE, "e", tmp_path)
    began = time.monotonic()
    with pytest.warns(TrackingWarning, match="MLflow at http://127.0.0.1:9 cannot"):
        assert tracker.start("fit", params={}, tags={}) is None
    for number in range(100):
        tracker.write(make_outcome(number))
    tracker.finish(make_record(), None)
    assert tracker.page is None
    assert time.monotonic() - began < 60  # MLflow alone: four minutes for each call


def test_a_store_that_cannot_be_opened_costs_one_warning(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    (tmp_path / "mlflow.db").mkdir()
    tracker = Tracker(None, "e", tmp_path)
    with pytest.warns(TrackingWarning, match="unable to open"):
        tracker.start("fit", params={}, tags={})
    tracker.fail("interrupted")
    assert tracker.run_id is None


def test_what_a_store_missed_is_written_at_the_end(
    uri: str, client: MlflowClient, tmp_path: Path, make_outcome: MakeOutcome,
    make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    outcomes: list[Outcome] = [make_outcome(i) for i in range(3)]
    tracker = Tracker(uri, "catching-up", tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "log", _lost)
        with pytest.warns(TrackingWarning, match="lost"):
            tracker.start("fit", params={"metric": "accuracy"}, tags={})
    tracker.write(outcomes[0])  # too soon after the failure: the store is left alone
    assert children(client, tracker) == []

    tracker.finish(make_record(tuple(outcomes)), None)
    assert len(children(client, tracker)) == 3
    parent = client.get_run(tracker.run_id)
    assert (parent.info.status, parent.data.params) == ("FINISHED", {"metric": "accuracy"})
    assert len(client.search_runs([parent.info.experiment_id])) == 4


def _lost(*_args: Any, **_kwargs: Any) -> None:
    raise OSError("lost")


def test_a_failure_does_not_show_the_password(tmp_path: Path) -> None:
    uri = "postgresql+nodriver://ann:secret@db/runs"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Tracker(uri, "e", tmp_path).start("fit", params={}, tags={})
    assert len(caught) == 1
    assert "secret" not in str(caught[0].message)
    assert "postgresql+nodriver://***@db/runs" in str(caught[0].message)


def test_a_tracker_that_was_never_started_writes_nothing(
    uri: str, tmp_path: Path, client: MlflowClient, make_record: MakeRecord
) -> None:
    tracker = Tracker(uri, "never", tmp_path)
    tracker.finish(replace(make_record(), name="x"), None)
    tracker.fail("x")
    assert client.get_experiment_by_name("never") is None
