from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from PIL import Image

from autotransfer.errors import CorruptImagesError
from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.results import Interval
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.selection.selection import Selection
from autotransfer.tracking.places import embedded_uri
from autotransfer.tracking.serving_folder import write_serving_folder
from autotransfer.tracking.store import patience
from autotransfer.tracking.tracker import Tracker
from tests.unit.tracking.conftest import MakeRecord

# sqlalchemy 2.1 warns of what MLflow 3.17 does in its own tables
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def selection(make_record: MakeRecord, tmp_path: Path) -> Path:
    """A saved selection that answers [0.25, 0.75] for every item."""
    predictor = MajorityPredictor(np.array([0.25, 0.75]))
    kept = Checkpoint(predictor, "majority", baseline=True, source=None)
    folder = Selection(make_record(), kept, torch.device("cpu")).save(tmp_path / "saved")
    (folder / "trials" / "00000").mkdir(parents=True)
    (folder / "trials" / "00000" / "predictor.safetensors").write_bytes(b"0" * 1000)
    return folder


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "an item.png"
    Image.new("RGB", (8, 8)).save(path)
    return path


def test_the_logged_model_loads_without_pickle_and_predicts(
    make_record: MakeRecord, selection: Path, picture: Path, store_folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    uri = embedded_uri(store_folder)
    tracker = Tracker(uri, "served", tmp_path)
    run_id = tracker.start("fit", params={}, tags={})
    tracker.finish(make_record(), selection)

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", uri)
    model = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    expected = pd.DataFrame(
        {"class": ["bee"], "probability": [0.75], "ant": [0.25], "bee": [0.75]}, dtype=object
    )
    for pictures in (
        pd.DataFrame({"image": [picture.read_bytes()]}),
        np.zeros((1, 8, 8, 3), dtype=np.uint8),
    ):
        table: Any = model.predict(pictures)
        pd.testing.assert_frame_equal(table, expected, check_dtype=False)
    with pytest.raises(CorruptImagesError, match="not base64; a path is read only below"):
        model.predict(pd.DataFrame({"image": [str(picture)]}))
    monkeypatch.setenv("AUTOTRANSFER_SERVED_FOLDER", str(tmp_path))
    opened: Any = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    assert opened.predict(pd.DataFrame({"image": [picture.name]}))["class"].tolist() == ["bee"]
    names = [column.name for column in model.metadata.signature.outputs]
    assert names == ["class", "probability", "ant", "bee"]
    client = MlflowClient(uri, uri)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    (output,) = run.outputs.model_outputs
    logged = client.get_logged_model(output.model_id)
    figures = {metric.key: metric.value for metric in logged.metrics}
    assert figures["test/accuracy"] == run.data.metrics["test/accuracy"]
    assert {"val/accuracy", "gap/baseline_low"} <= set(figures)
    assert {metric.dataset_digest for metric in logged.metrics} == {
        run.inputs.dataset_inputs[0].dataset.digest
    }
    assert len(client.get_metric_history(run_id, "test/accuracy")) == 1
    assert logged.tags["mlflow.note.content"] == run.data.tags["mlflow.note.content"]


def test_a_fit_that_goes_on_and_finds_another_model_shows_and_serves_that_one(
    make_record: MakeRecord, selection: Path, picture: Path, store_folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    uri = embedded_uri(store_folder)
    run_id, record = "", make_record()
    later = replace(record, verdict=replace(record.verdict, test=Interval(0.7, 0.6, 0.8, 90)))
    other = Checkpoint(
        MajorityPredictor(np.array([0.9, 0.1])), "majority", baseline=True, source=None
    )
    again = Selection(later, other, torch.device("cpu")).save(tmp_path / "again")
    for found, folder in ((record, selection), (record, selection), (later, again)):
        tracker = Tracker(uri, "served", tmp_path)
        if run_id:
            assert tracker.resume(run_id)
        else:
            run_id = str(tracker.start("fit", params={}, tags={}))
        tracker.finish(found, folder)
    client = MlflowClient(uri, uri)
    run = client.get_run(run_id)
    assert len(run.outputs.model_outputs) == 2  # the same one is not written again
    assert run.data.metrics["test/accuracy"] == 0.7
    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", uri)
    model = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    answer: Any = model.predict(pd.DataFrame({"image": [picture.read_bytes()]}))
    assert answer["class"].tolist() == ["ant"]


def test_the_folder_holds_the_selection_alone_and_names_what_it_needs(
    selection: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    with patience():  # as the tracker does
        folder = write_serving_folder(selection, tmp_path / "out", ("ant", "bee"))
    kept = {file.name for file in (folder / "artifacts" / "selection").iterdir()}
    assert kept == {file.name for file in selection.iterdir()} - {"trials"}
    needed = (folder / "requirements.txt").read_text()
    assert all(f"{name}==" in needed for name in ("autotransfer", "torch", "timm"))
    assert not list(folder.rglob("*.pkl"))


def test_a_selection_that_cannot_be_logged_leaves_the_records(
    make_record: MakeRecord, store_folder: Path, tmp_path: Path
) -> None:
    uri = embedded_uri(store_folder)
    tracker = Tracker(uri, "no-model", tmp_path)
    tracker.start("fit", params={}, tags={})
    with pytest.warns(UserWarning, match="cannot be written"):
        tracker.finish(make_record(), tmp_path / "missing")
    run = MlflowClient(uri, uri).get_run(tracker.run_id)
    assert (run.info.status, run.data.tags["verdict"]) == ("FINISHED", "positive")
