"""The tracker against a real MLflow server on the loopback interface."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image

import autotransfer
from autotransfer.errors import TrackingWarning
from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.results import (
    Baseline,
    Decision,
    Interval,
    Outcome,
    Ranking,
    Record,
    Seconds,
    State,
    Verdict,
)
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.selection.selection import Selection
from autotransfer.tracking.places import embedded_uri
from autotransfer.tracking.registration import Registration
from autotransfer.tracking.sync import sync
from autotransfer.tracking.tracker import Tracker

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    # sqlalchemy 2.1 warns of what MLflow 3.17 does in its own tables
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

START_SECONDS = 240.0  # a loaded machine needs a minute and a half
PREDICT = """
import json, sys, mlflow, pandas
table = mlflow.pyfunc.load_model(sys.argv[1]).predict(pandas.DataFrame({"image": sys.argv[2:]}))
print(json.dumps(table.to_dict("records")))
"""

OUTCOMES = (
    Outcome(
        0, "vit", "dann", {"depth": 0.5, "steps": 3}, State.COMPLETE, 0.7, (0.7,), 0.6,
        ((1, 0.5), (9, 0.7)), 1.5,
    ),
    Outcome(1, "vit", "dann", {"depth": 1.0}, State.PRUNED, reason="below", seconds=0.5),
    Outcome(2, "<b>", "a|b", {}, State.FAILED, reason="out of memory", error="Traceback: ..."),
)  # fmt: skip


def _record() -> Record:
    verdict = Verdict(
        decision=Decision.POSITIVE,
        basis="held-out items",
        sentence="transfer helped",
        returned="transfer",
        test=Interval(0.9, 0.85, 0.94, 200),
        baselines=(Baseline("majority", 0.5, 0.0),),
        best_baseline="majority",
        gap=Interval(0.4, 0.3, 0.5, 200),
        minimum_detectable=0.05,
        gap_reference=None,
        returned_test=0.9,
    )
    return Record(
        name="fit",
        scenario="labelled",
        metric="accuracy",
        class_names=("ant", "bee"),
        seed=0,
        verdict=verdict,
        finalist=OUTCOMES[0],
        ranking=Ranking((), ()),
        outcomes=OUTCOMES,
        skipped=(),
        seconds=Seconds(),
        model="fit",
    )


@pytest.fixture
def selection(tmp_path: Path) -> Path:
    kept = Checkpoint(
        MajorityPredictor(np.array([0.25, 0.75])), "majority", baseline=True, source=None
    )
    return Selection(_record(), kept, torch.device("cpu")).save(tmp_path / "selection")


@contextmanager
def _serving(folder: Path, port: int) -> Iterator[str]:
    """Run a server until the block ends; only its own processes are stopped."""
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{folder / 'server.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    began = time.monotonic()
    while time.monotonic() - began < START_SECONDS and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own server
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail("the MLflow server did not start")


@pytest.fixture
def serve(tmp_path: Path, mlflow_database: Path) -> Callable[[], Any]:
    """Start the same server, on the same port, as often as it is called."""
    folder = tmp_path / "server"
    folder.mkdir()
    shutil.copy(mlflow_database, folder / "server.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return lambda: _serving(folder, port)


def _runs(uri: str, tracker: Tracker) -> list[Run]:
    """Return the parent and its children, by number."""
    client = MlflowClient(uri, uri)
    parent = client.get_run(tracker.run_id)
    runs = client.search_runs([parent.info.experiment_id])
    return sorted(runs, key=lambda run: int(run.data.tags.get("autotransfer.number", -1)))


def _content(run: Run) -> tuple[Any, ...]:
    own = ("mlflow.parentRunId", "mlflow.user")  # these name the store, not the fit
    tags = {name: value for name, value in run.data.tags.items() if name not in own}
    return run.info.run_name, run.info.status, run.data.params, run.data.metrics, tags


def _track(uri: str | None, workspace: Path, selection: Path) -> Tracker:
    tracker = Tracker(uri, "fits", workspace)
    tracker.start("fit", params={"metric": "accuracy"}, tags={"target": "t"})
    for outcome in OUTCOMES:
        tracker.write(outcome)
    tracker.finish(_record(), selection, registration=Registration("insects"))
    return tracker


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials are written as they end, however soon that is."""
    monkeypatch.setattr("autotransfer.tracking.later.WAIT_SECONDS", 0.0)


def test_a_server_receives_the_runs_of_the_embedded_store_serves_the_model_and_may_go_away(
    serve: Callable[[], Any], selection: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "image.png"
    Image.new("RGB", (8, 8)).save(picture)
    embedded = _track(None, tmp_path, selection)
    with serve() as uri:
        remote = _track(uri, tmp_path, selection)
        ours = [_content(run) for run in _runs(embedded_uri(tmp_path), embedded)]
        theirs = [_content(run) for run in _runs(uri, remote)]
        assert len(theirs) == 1 + len(OUTCOMES)
        assert theirs == ours
        command = [sys.executable, "-c", PREDICT, "models:/insects@champion", str(picture)]
        environment = {
            **os.environ,
            "MLFLOW_TRACKING_URI": uri,
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            "AUTOTRANSFER_SERVED_FOLDER": str(tmp_path),
        }
        answer = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        leaving = Tracker(uri, "others", tmp_path)
        leaving.start("fit", params={"metric": "accuracy"}, tags={})
        leaving.write(OUTCOMES[0])
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout.splitlines()[-1]) == [
        {"class": "bee", "probability": 0.75, "ant": 0.25, "bee": 0.75}
    ]
    began = time.monotonic()
    with pytest.warns(TrackingWarning, match="cannot be written"):
        leaving.write(OUTCOMES[1])
    assert time.monotonic() - began < 60
    with serve() as uri:
        leaving.finish(_record(), selection)
        parent, *children = _runs(uri, leaving)
        assert parent.info.status == "FINISHED"
        assert [run.data.tags["state"] for run in children] == ["complete", "pruned", "failed"]


def _everything(uri: str, run_id: str) -> list[Any]:
    """Return all that a server shows of a fit: the parent, its files and model, and the trials."""
    client = MlflowClient(uri, uri)
    parent = client.get_run(run_id)
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'"
    )
    children.sort(key=lambda run: int(run.data.tags["autotransfer.number"]))
    files = sorted(file.path for file in client.list_artifacts(run_id))
    assert parent.outputs is not None
    files += [client.get_logged_model(m.model_id).name for m in parent.outputs.model_outputs]
    return [_content(parent), files, *(_content(run) for run in children)]


@pytest.mark.nightly  # test_sync.py has the same with the embedded store
def test_a_fit_goes_on_while_its_server_is_away_and_in_the_end_nothing_is_missing(
    serve: Callable[[], Any], target: Path, catalogue: Path
) -> None:
    server = ExitStack()
    uri = server.enter_context(serve())
    ended: list[str] = []

    def fit(name: str, *, back_after: int | None) -> autotransfer.Selection:
        """Fit; the server goes after the first trial, and comes back after a later one."""
        ended.clear()

        def say(text: str) -> None:
            if not text.startswith("trial "):
                return
            ended.append(text)
            if len(ended) == 1:
                server.close()
            if len(ended) == back_after:
                server.enter_context(serve())

        with pytest.warns(TrackingWarning, match="cannot be written"):
            return autotransfer.fit(
                target,
                sources=str(catalogue),
                budget="4 trials",
                tracking_uri=uri,
                name=name,
                say=say,
            )

    with server:
        back = fit("back", back_after=3)
        assert back.record.run_id is not None
        parent, files, *children = _everything(uri, back.record.run_id)
        assert parent[1] == "FINISHED"
        assert {"model", "selection.json"} <= set(files)
        assert len(children) == 4

        away = fit("away", back_after=None)
        assert len([o for o in away.outcomes if not o.probe]) == 4
        server.enter_context(serve())
        (synced,) = sync(["away"])
        assert (synced.trials, synced.finished) == (4, True)
        assert synced.run_id is not None
        parent, files, *children = first = _everything(uri, synced.run_id)
        assert parent[1] == "FINISHED"
        assert {"model", "selection.json"} <= set(files)
        assert len(children) == 4
        assert sync(["away"]) == [synced]
        assert _everything(uri, synced.run_id) == first
