"""A result that is registered, rejected with, exported and used as a source again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

import autotransfer
from autotransfer.cli import run
from autotransfer.selection.export.exporting import TOLERANCE, run_onnx


def test_a_registered_result_is_used_in_every_way(
    folder_target: Path,
    catalogue: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = str(folder_target)
    autotransfer.fit(
        target,
        sources=catalogue,
        source=("tiny-0",),
        strategies=("feature-extraction",),
        budget=autotransfer.Budget(trials=1),
        guard=False,  # a network with random weights would lose to classical pixels
        name="one",
        register="bars",
        device="cpu",
    )
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    version = client.get_model_version_by_alias("bars", "champion")
    assert client.get_run(version.run_id).info.run_name == "one"
    capsys.readouterr()

    assert run(["predict", "one", target, "--abstain", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["predictions"]
    known = np.mean([row["abstained"] for row in rows])
    assert known < 0.3
    noise = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    selection = autotransfer.load("one")
    rejected = selection.abstains(noise)
    assert rejected.mean() > known
    assert ((selection.predict(noise, abstain=True) == "") == rejected).all()
    assert "" not in set(selection.predict(noise))

    assert run(["export", "one", "one.onnx", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == list(selection.class_names)
    ours = selection.predict_proba(noise)
    assert np.abs(run_onnx(Path("one.onnx"), [noise])[0] - ours).max() <= TOLERANCE

    sources = ["--sources", "models:/bars@champion", "--sources", "one"]
    assert run(["sources", *sources, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["sources"]
    assert [source["name"] for source in listed] == ["bars-v1", "one"]
    assert run(["rank", target, *sources, "--device", "cpu", "--json"]) == 0
    ranked = json.loads(capsys.readouterr().out)["ranking"]
    assert [row["source"] for row in ranked] == ["bars-v1"]  # the other has the same weights

    store = f"sqlite:///{Path.cwd() / 'mlflow.db'}"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert run(["sources", "--sources", "models:/bars@champion", "--json"]) == 2
    found = ["--sources", "models:/bars@champion", "--tracking-uri", store]
    assert run(["rank", target, *found, "--device", "cpu", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ranking"][0]["source"] == "bars-v1"
