"""A graph of texts answers as the selection does, fed by the tokenizer beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotransfer.data.image_set import ImageSet
from autotransfer.data.modality import Modality
from autotransfer.data.texts.reading import TextReader
from autotransfer.errors import ExportError
from autotransfer.models.predictors.words import fit_words
from autotransfer.models.source import Source
from autotransfer.models.texts.folders import source_of_folder
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import Task, Trial
from autotransfer.plugin.testing.tiny import tiny_readers, tiny_task
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.selection.export.exporting import TOLERANCE, export_onnx, run_onnx
from autotransfer.selection.export.texts import tokenizers_beside
from tests.tiny_texts import sentences, text_set, write_encoder, write_table

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
UNSEEN = [*sentences(2, seed=9)[0], "card", "the song " * 400, "¡not ... one!"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Source, Source]:
    """A table and an encoder, whose tokens differ by the marks of beginning and end."""
    folder = tmp_path_factory.mktemp("sources")
    return (
        source_of_folder(write_table(folder / "table")),
        source_of_folder(write_encoder(folder / "encoder", num_hidden_layers=1)),
    )


def _kept(name: str, source: Source, *companions: Source, cache: Path) -> Checkpoint:
    task = tiny_task(cache, modality=Modality.TEXT)
    train = text_set(6)
    task = replace(
        task,
        source=source,
        features=tiny_readers(cache)[source],
        companions=companions,
        train=train,
        class_names=train.class_names,
    )
    return _fitted(name, task)


def _fitted(name: str, task: Task) -> Checkpoint:
    strategy = discover(files=[]).strategy(name)
    trial = Trial(strategy.space(task.info).defaults(), lambda *_: None, None, 0)
    return Checkpoint(strategy.fit(task, trial), name, baseline=False, source=task.source)


def _fed_by_hand(path: Path, texts: list[str]) -> np.ndarray[Any, Any]:
    """Return what the graph says, with nothing but onnxruntime and the library tokenizers."""
    from tokenizers import Tokenizer

    metadata = {p.key: p.value for p in onnx.load(path).metadata_props}
    given = {}
    for one in json.loads(metadata["inputs"]):
        tokenizer = Tokenizer.from_file(str(path.with_name(one["tokenizer"])))
        found = tokenizer.encode_batch(texts)
        given[one["ids"]] = np.array([f.ids for f in found])
        given[one["mask"]] = np.array([f.attention_mask for f in found])
    return run_onnx(path, [given])[0]


def test_a_mixture_of_an_encoder_and_a_table_answers_the_same(
    sources: tuple[Source, Source], tmp_path: Path
) -> None:
    table, encoder = sources
    kept = _kept("mixture-of-probes", table, encoder, cache=tmp_path / "cache")
    kept = replace(kept, temperature=1.7, class_weights=(1.0, 2.0, 3.0))
    path = tmp_path / "out" / "model.onnx"
    path.parent.mkdir()
    assert export_onnx(path, kept, ("a", "b", "c"), {}) <= TOLERANCE
    names = ["model.onnx", "model.tokenizer-2.json", "model.tokenizer.json"]
    assert sorted(file.name for file in path.parent.iterdir()) == names
    assert [file.name for file in tokenizers_beside(path)] == [names[2], names[1]]
    inputs = [value.name for value in onnx.load(path).graph.input]
    assert inputs == ["input_ids", "attention_mask", "input_ids_2", "attention_mask_2"]
    reader = tiny_readers(tmp_path / "other")[table]
    items = ImageSet(TextReader(UNSEEN), np.arange(len(UNSEEN)))
    for rows in (list(range(len(UNSEEN))), [6]):
        said = kept.predict(items.subset(rows), reader)
        found = _fed_by_hand(path, [UNSEEN[i] for i in rows])
        assert np.abs(found - said).max() <= TOLERANCE
    assert np.ptp(said) > 0.05  # they say something


def test_what_counts_words_has_no_graph_and_is_named(tmp_path: Path) -> None:
    words = fit_words(text_set(6), 3, seed=0)
    kept = Checkpoint(words, "tf-idf", baseline=True, source=None)
    with pytest.raises(ExportError, match="the baseline 'tf-idf', which reads no network"):
        export_onnx(tmp_path / "model.onnx", kept, ("a", "b", "c"), {})


def test_what_has_no_graph_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    kept = _fitted("feature-extraction", tiny_task(tmp_path / "c", modality=Modality.TEXT))
    with pytest.raises(ExportError, match="'tiny' reads texts without a tokenizer"):
        export_onnx(tmp_path / "model.onnx", kept, ("a", "b", "c"), {})
    assert [file.name for file in tmp_path.iterdir()] == ["c"]
