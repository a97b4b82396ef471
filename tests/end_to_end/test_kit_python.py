"""What reviewers and programs get of a real fit: pages, pyfunc, ONNX, rejection."""

from __future__ import annotations

import base64
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
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

import autotransfer
from autotransfer.data.image_set import ImageSet
from autotransfer.data.target import open_target
from autotransfer.selection.export.exporting import TOLERANCE, run_onnx
from autotransfer.selection.selection import Selection
from autotransfer.tracking.viewer import Viewer
from tests.end_to_end.conftest import brief_baselines

pytestmark = [pytest.mark.kit, pytest.mark.slow, pytest.mark.timeout(1800)]

SOURCE = "mobilenetv1-100-imagenet"
PREDICT = """
import base64, json, sys, mlflow, pandas
mlflow.set_tracking_uri(sys.argv[1])
table = pandas.DataFrame({"image": json.load(open(sys.argv[2]))})
for uri in sys.argv[3:]:
    print(json.dumps(mlflow.pyfunc.load_model(uri).predict(table)["class"].tolist()))
"""


@pytest.fixture(scope="module")
def fitted(
    kit: Path, kit_cache: Path, mlflow_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Selection]:
    """A fit on ants and bees, registered."""
    workspace = tmp_path_factory.mktemp("fit")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("AUTOTRANSFER_CACHE", str(kit_cache))
        brief_baselines(patch)
        shutil.copy(mlflow_database, workspace / "mlflow.db")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield autotransfer.fit(
            kit / "data" / "hymenoptera.zip",
            sources=kit / "weights" / "catalogue.toml",
            source=(SOURCE,),
            plugins=(kit / "weights" / "timm_extra.py",),
            strategies=("feature-extraction",),
            budget=autotransfer.Budget(trials=1, seconds=240),
            workspace=workspace,
            register="ants",
            device="cpu",
        )


@pytest.fixture(scope="module")
def pictures(kit: Path) -> ImageSet:
    """Twenty images that the fit was tested on."""
    images = open_target(f"zip://val::{kit / 'data' / 'hymenoptera.zip'}").train
    return images.subset(np.linspace(0, len(images) - 1, 20).astype(int))


def _store(selection: Selection) -> str:
    return f"sqlite:///{Path(selection.record.model).parent / 'mlflow.db'}"


def test_the_model_of_mlflow_predicts_the_same_in_another_process(
    fitted: Selection, pictures: ImageSet, tmp_path: Path
) -> None:
    (tmp_path / "images.json").write_text(json.dumps(_contents(pictures)))
    named = [f"runs:/{fitted.record.run_id}/model", "models:/ants@champion"]
    command = [sys.executable, "-W", "ignore", "-c", PREDICT, _store(fitted), "images.json"]
    done = subprocess.run(
        [*command, *named], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    expected = list(fitted.predict(pictures))
    for answer in done.stdout.splitlines()[-2:]:
        assert json.loads(answer) == expected


def test_the_model_answers_over_http(
    fitted: Selection, pictures: ImageSet, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bin_first = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": bin_first, "MLFLOW_TRACKING_URI": _store(fitted)}
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/ants@champion"]
    with (tmp_path / "served.txt").open("w") as said:
        server = subprocess.Popen(
            [*command, "--env-manager", "local", "--port", str(port)],
            env=environment, stdout=said, stderr=said, cwd=tmp_path, start_new_session=True,
        )  # fmt: skip
    try:
        answers = _asked(f"http://127.0.0.1:{port}/invocations", _contents(pictures), server)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    assert [answer["class"] for answer in answers] == list(fitted.predict(pictures))


def _asked(
    address: str, contents: Sequence[str], server: subprocess.Popen[bytes]
) -> list[dict[str, Any]]:
    """Return the answers of the server, once it has started."""
    body = {"dataframe_split": {"columns": ["image"], "data": [[text] for text in contents]}}
    request = urllib.request.Request(  # noqa: S310 - the address is ours
        address, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    deadline = time.monotonic() + 300
    while True:
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
                found: list[dict[str, Any]] = json.load(answer)["predictions"]
                return found
        except urllib.error.URLError:
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(1)


def _contents(pictures: ImageSet) -> list[str]:
    reader = pictures.reader
    return [base64.b64encode(reader.content(int(i))).decode() for i in pictures.positions]  # type: ignore[attr-defined]


def test_the_exported_file_agrees_on_real_pictures(
    fitted: Selection, pictures: ImageSet, tmp_path: Path
) -> None:
    written = fitted.to_onnx(tmp_path / "ants.onnx")
    ours = fitted.predict_proba(pictures)
    batches = [np.asarray(pictures[i])[None] for i in range(len(pictures))]
    theirs = np.concatenate(run_onnx(written, batches))
    assert np.abs(theirs - ours).max() <= TOLERANCE


def test_strange_pictures_are_rejected_more_often_than_known_ones(
    fitted: Selection, kit: Path
) -> None:
    known = open_target(f"zip://val::{kit / 'data' / 'hymenoptera.zip'}").train
    strange = open_target(kit / "data" / "flowers5.zip").held_out
    assert strange is not None
    rates = [fitted.abstains(images).mean() for images in (known, strange)]
    assert rates[0] < 0.13
    assert rates[1] > 0.3


def test_the_report_and_the_pages_of_mlflow_show_what_was_found(
    fitted: Selection, tmp_path: Path
) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser is installed (chromium or google-chrome)")
    record = fitted.record
    viewer = Viewer.of(Path(record.model).parent, None, host="127.0.0.1", port=5600)
    with viewer:
        experiment = viewer.page.split("/")[3]
        run = f"{viewer.address}/#/experiments/{experiment}/runs/{record.run_id}"
        for width in (390, 1280):
            text = _shown(browser, run, tmp_path, width)
            assert "Returned: transfer" in text
            assert SOURCE in text
            assert "Logged models" in text
        text = _shown(browser, viewer.address + viewer.page, tmp_path, 1280)
        client = MlflowClient(_store(fitted), _store(fitted))
        runs = [found.info.run_name for found in client.search_runs([experiment])]
        assert len(runs) == 1 + sum(not outcome.probe for outcome in fitted.outcomes) > 1
        assert record.name in text
        trials = [name for name in runs if name != record.name]
        assert not [name for name in trials if name in text]  # folded below their fit
        flat = f"{viewer.address}/#/experiments/{experiment}/runs?orderByKey="
        text = _shown(browser, flat + "metrics.%60val%2Faccuracy%60", tmp_path, 1280)
        assert all(name in text for name in runs)
    for width in (390, 1280):
        text = _shown(browser, (Path(record.model) / "report.html").as_uri(), tmp_path, width)
        assert record.verdict.sentence in text
        assert "Leaderboard" in text


def _shown(browser: str, address: str, folder: Path, width: int) -> str:
    """Return the document that a browser has made of a page."""
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},1400",
         f"--user-data-dir={folder / 'browser'}", "--virtual-time-budget=60000", "--dump-dom",
         address],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    return done.stdout
