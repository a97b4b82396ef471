"""A graph of sounds answers as the selection does, fed by samples and a mask."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotransfer.data.modality import Modality
from autotransfer.data.sounds.reading import sounds_of
from autotransfer.errors import ExportError
from autotransfer.models.predictors.spectra import fit_spectra
from autotransfer.models.sounds.folders import sound_source_of_folder
from autotransfer.models.sounds.small_network import small_sound_source
from autotransfer.models.source import Source
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import Trial
from autotransfer.plugin.testing.tiny import tiny_readers, tiny_task
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.selection.export.exporting import TOLERANCE, export_onnx, run_onnx
from tests.tiny_sounds import AST, KINDS, sound_set, write_encoder

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def _kept(
    name: str, source: Source, *companions: Source, cache: Path, **params: Any
) -> Checkpoint:
    train = sound_set(6)
    task = replace(
        tiny_task(cache, modality=Modality.SOUND),
        source=source,
        features=tiny_readers(cache)[source],
        companions=companions,
        train=train,
        class_names=train.class_names,
        load_backbone=lambda: tiny_readers(cache).load(source),
    )
    strategy = discover(files=[]).strategy(name)
    trial = Trial({**strategy.space(task.info).defaults(), **params}, lambda *_: None, None, 0)
    return Checkpoint(strategy.fit(task, trial), name, baseline=False, source=task.source)


def _fed_by_hand(path: Path, seed: int = 9) -> np.ndarray[Any, Any]:
    """Return what the graph says of sounds, by what its metadata says of reading them."""
    waves = [sound.at(16_000) for sound in sounds_of(sound_set(2, seed=seed))]
    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    given = {}
    for one in json.loads(metadata["inputs"]):
        assert one["sample_rate"] == 16_000
        cut = [wave[: round(one["max_seconds"] * 16_000)] for wave in waves]
        longest = max(map(len, cut))
        shape = (len(cut), longest)
        given[one["waves"]], given[one["mask"]] = np.zeros(shape, "f4"), np.zeros(shape, "f4")
        for i, wave in enumerate(cut):
            given[one["waves"]][i, : len(wave)], given[one["mask"]][i, : len(wave)] = wave, 1
    return run_onnx(path, [given])[0]


def _encoder(folder: Path, kind: str, layers: int = 1) -> Source:
    number = "encoder_layers" if kind == "whisper" else "num_hidden_layers"
    return sound_source_of_folder(write_encoder(folder / kind, kind, **{number: layers}))


def _compared(kept: Checkpoint, folder: Path) -> None:
    """Hold that the graph of a predictor answers as it does, on other sounds."""
    path = folder / "model.onnx"
    assert export_onnx(path, kept, ("a", "b", "c"), {}) <= TOLERANCE
    assert kept.source is not None
    said = kept.predict(sound_set(2, seed=9), tiny_readers(folder / "other")[kept.source])
    assert np.abs(_fed_by_hand(path) - said).max() <= TOLERANCE
    assert np.ptp(said) > 0.05  # they say something


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
def test_a_probe_of_an_encoder_answers_the_same_as_a_graph(kind: str, tmp_path: Path) -> None:
    source = _encoder(tmp_path, kind)
    _compared(_kept("feature-extraction", source, cache=tmp_path / "cache"), tmp_path)


def test_tuned_layers_behind_a_cut_answer_the_same_as_a_graph(tmp_path: Path) -> None:
    source = _encoder(tmp_path, AST, layers=2)
    kept = _kept("fine-tune", source, cache=tmp_path / "cache", depth=0.7, epochs=3)
    assert kept.predictor.layers is not None
    assert kept.predictor.layers.tuned == 1
    _compared(kept, tmp_path)


@pytest.mark.nightly
def test_sources_that_read_otherwise_have_inputs_of_their_own(tmp_path: Path) -> None:
    source, other = _encoder(tmp_path, "wav2vec2"), _encoder(tmp_path, AST)
    kept = _kept("mixture-of-probes", source, other, cache=tmp_path / "cache")
    _compared(kept, tmp_path)
    inputs = [value.name for value in onnx.load(tmp_path / "model.onnx").graph.input]
    assert inputs == ["waves", "mask", "waves_2", "mask_2"]


@pytest.mark.nightly
def test_a_network_of_ours_has_a_graph_too(tmp_path: Path) -> None:
    kept = _kept("feature-extraction", small_sound_source(), cache=tmp_path / "cache")
    _compared(kept, tmp_path)


def test_what_describes_spectra_has_no_graph_and_is_named(tmp_path: Path) -> None:
    spectra = fit_spectra(sound_set(4), 3, seed=0)
    kept = Checkpoint(spectra, "spectral-statistics", baseline=True, source=None)
    with pytest.raises(ExportError, match="'spectral-statistics', which reads no network"):
        export_onnx(tmp_path / "model.onnx", kept, ("a", "b", "c"), {})
