"""A selection of texts or of sounds is saved, loaded, asked by the command and served."""

from __future__ import annotations

import base64
import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from autotransfer.cli import run
from autotransfer.data.image_set import ImageSet
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue.toml_catalogue import read_catalogue
from autotransfer.models.sounds.folders import sound_source_of_folder
from autotransfer.models.source import Source
from autotransfer.models.texts.folders import source_of_folder
from autotransfer.plugin.registry import PLUGIN_VARIABLE, discover
from autotransfer.plugin.strategy import Trial
from autotransfer.plugin.testing.tiny import tiny_readers, tiny_task
from autotransfer.search.checkpoint import Checkpoint, with_rejection
from autotransfer.selection.selection import Selection, load
from tests.tiny_sounds import AST, encoded, sound_set, sounds, write_encoder, write_network
from tests.tiny_texts import WIDTH, sentences, text_set, write_table
from tests.unit.conftest import MakeRecord

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # see test_serving.py
    import mlflow

    from autotransfer.tracking.serving_folder import write_serving_folder

# sqlalchemy 2.1 warns of what MLflow 3.17 does, and MLflow of an example that it did not get
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*input example.*")


def _saved(
    source: Source,
    train: ImageSet,
    make_record: MakeRecord,
    folder: Path,
    name: str = "feature-extraction",
) -> Path:
    """Return the folder of a selection that returns a probe of a source, or another strategy."""
    task = replace(
        tiny_task(folder / "cache", modality=train.modality),
        source=source,
        features=tiny_readers(folder / "cache")[source],
        train=train,
        class_names=train.class_names,
        load_backbone=lambda: load_backbone(source),
    )
    strategy = discover().strategy(name)
    trial = Trial(strategy.space(task.info).defaults(), lambda *_: None, None, 0)
    kept = Checkpoint(strategy.fit(task, trial), strategy.name, baseline=False, source=source)
    kept = with_rejection(kept, train, tiny_readers(folder / "cache"))
    record = make_record(modality=str(train.modality), class_names=train.class_names)
    return Selection(record, kept, torch.device("cpu")).save(folder / "model")


def _asked(folder: Path, items: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert run(["predict", str(folder), items, "--abstain", "--json"]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["predictions"]
    assert all("image" not in row for row in rows)
    return rows


def _served(folder: Path, given: pd.DataFrame, place: Path) -> pd.DataFrame:
    """Return what the model answers that MLflow loads from a folder of its own."""
    names = load(folder).class_names
    written = write_serving_folder(folder, place, names)
    found: pd.DataFrame = mlflow.pyfunc.load_model(str(written)).predict(given)
    return found


def test_texts(
    make_record: MakeRecord, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _saved(
        source_of_folder(write_table(tmp_path / "table")), text_set(8), make_record, tmp_path
    )
    (tmp_path / "table" / "model.safetensors").unlink()  # all that it needs is in its folder
    texts, labels = sentences(3, seed=4)
    table = load(folder).predict_table(texts, abstain=True)
    assert table.index.name == "item"
    assert load(folder).features(texts).shape == (9, WIDTH)
    assert list(table.index) == [str(i) for i in range(9)]
    assert (table["class"].replace("None of these", "") == labels).mean() > 0.8
    pd.DataFrame({"sentence": texts}).to_csv(tmp_path / "new.csv", index=False)
    rows = _asked(folder, str(tmp_path / "new.csv"), capsys)
    assert [row["item"] for row in rows] == [f"row {i + 1}" for i in range(9)]
    assert [row["class"] for row in rows] == list(table["class"])
    answered = _served(folder, pd.DataFrame({"text": texts}), tmp_path / "served")
    assert np.allclose(answered["money"], table["money"])
    needs = (tmp_path / "served" / "model" / "requirements.txt").read_text("utf-8")
    assert "tokenizers==" in needs
    assert "soxr" not in needs


def test_sounds_whose_network_a_plugin_makes(
    make_record: MakeRecord,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plugin, catalogue = write_network(tmp_path)
    monkeypatch.setenv(PLUGIN_VARIABLE, str(plugin))  # as a server is told of it
    discover()
    folder = _saved(read_catalogue(catalogue)[0][0], sound_set(8), make_record, tmp_path)
    given, labels = sounds(3, seed=4)
    found = load(folder).predict_proba(given)
    for i, (wave, _) in enumerate(given):
        (tmp_path / "new").mkdir(exist_ok=True)
        (tmp_path / "new" / f"{i}.flac").write_bytes(encoded(wave, "FLAC"))
    rows = _asked(folder, str(tmp_path / "new"), capsys)
    assert [row["item"] for row in rows] == [f"{i}.flac" for i in range(9)]
    assert np.allclose([list(row["probabilities"].values()) for row in rows], found, atol=1e-3)
    content = [base64.b64encode(encoded(wave)).decode() for wave, _ in given]
    answered = _served(folder, pd.DataFrame({"sound": content}), tmp_path / "served")
    assert np.allclose(answered["high"], found[:, 0], atol=1e-3)
    assert (answered["class"] == labels).mean() > 0.6


def test_sounds_whose_encoder_was_tuned(
    make_record: MakeRecord,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = sound_source_of_folder(write_encoder(tmp_path / "ears", AST, num_hidden_layers=1))
    folder = _saved(source, sound_set(8), make_record, tmp_path, "fine-tune")
    shutil.rmtree(tmp_path / "ears")  # all that it needs is in its folder
    given, _ = sounds(3, seed=4)
    found = load(folder).predict_proba(given)
    assert np.ptp(found) > 0.1
    written = tmp_path / "model.onnx"
    written.write_bytes(b"a graph")  # that it is one is held where it is made
    monkeypatch.setattr(Selection, "to_onnx", lambda _self, _path: written)
    assert run(["export", str(folder), str(written)]) == 0
    assert "samples and their mask, float32 (n, t), read as" in capsys.readouterr().out
