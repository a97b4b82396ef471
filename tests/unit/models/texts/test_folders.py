from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from autotransfer.data.image_set import ImageSet
from autotransfer.data.modality import Modality
from autotransfer.data.texts.reading import TextReader
from autotransfer.errors import InvalidSourceError, NoCandidateError
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue import resolve_sources
from autotransfer.models.source import source_from_json, source_to_json
from autotransfer.models.texts import folders
from autotransfer.models.texts.folders import source_of_folder
from tests.tiny_texts import WIDTH, WORDS, write_encoder, write_table, write_tokenizer


def test_a_static_embedding_is_the_mean_of_the_rows_of_its_tokens(tmp_path: Path) -> None:
    source = source_of_folder(write_table(tmp_path / "table"))
    backbone = load_backbone(source)
    items = ImageSet(TextReader(["ball goal goal", "flute"]), [0, 1])
    found = backbone.features(backbone.prepared(items)).pooled
    table = next(backbone.parameters())
    ball, goal, flute = (table[WORDS.index(word)] for word in ("ball", "goal", "flute"))
    assert len(found) == 1
    assert torch.allclose(found[0][0], (ball + 2 * goal) / 3, atol=1e-6)
    assert torch.allclose(found[0][1], flute, atol=1e-6)
    assert source.modality is Modality.TEXT
    assert (backbone.num_stages, backbone.num_features, backbone.has_head) == (1, WIDTH, False)


def test_a_source_of_texts_survives_json_and_has_one_key_wherever_it_lies(tmp_path: Path) -> None:
    first = source_of_folder(write_encoder(tmp_path / "a"), "one")
    second = source_of_folder(write_encoder(tmp_path / "b"), "two")
    assert source_from_json(json.loads(json.dumps(source_to_json(first)))) == first
    assert first.fingerprint == second.fingerprint
    shorter = replace(second, preprocessing=replace(second.preprocessing, max_tokens=8))
    assert shorter.fingerprint != second.fingerprint


def test_tokens_after_the_longest_text_are_cut_off(tmp_path: Path) -> None:
    source = source_of_folder(write_encoder(tmp_path / "a"))
    assert source.preprocessing.max_tokens == 64  # what its positions allow
    backbone = load_backbone(source)
    items = ImageSet(TextReader(["ball " * 100]), [0])
    assert backbone.prepared(items).shape == (1, 2, 64)


def test_only_files_that_run_no_code_are_read(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "a")
    (tmp_path / "a" / "pytorch_model.bin").write_bytes(b"anything")
    with pytest.raises(InvalidSourceError, match=r"only pytorch_model.bin, which is not read"):
        source_of_folder(tmp_path / "a")


def test_an_encoder_of_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "a")
    said = {"model_type": "gpt2", "auto_map": {"AutoModel": "code.Evil"}}
    (folder / "config.json").write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(InvalidSourceError, match="is of the kind 'gpt2'; encoders of the"):
        source_of_folder(folder)


def test_a_table_without_one_matrix_is_refused(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "a")
    save_file({"a": torch.zeros(2, 2), "b": torch.ones(2, 2)}, tmp_path / "a/model.safetensors")
    with pytest.raises(InvalidSourceError, match=r"one matrix \(tokens, d\).* holds 2"):
        source_of_folder(tmp_path / "a")


def test_without_the_extra_one_line_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of_folder(write_encoder(tmp_path / "a"))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InvalidSourceError, match=r"pip install 'autotransfer\[text\]'"):
        load_backbone(source)


def test_sources_of_other_items_are_skipped_with_a_reason(tmp_path: Path) -> None:
    folder = write_table(tmp_path / "table")
    found = resolve_sources([str(folder), "small_cnn"], modality=Modality.TEXT)
    assert [source.name for source in found.sources] == ["table"]
    reasons = {skip.source: skip.reason for skip in found.skipped}
    assert reasons == {"small_cnn": "it reads images, and the items are texts"}
    with pytest.raises(NoCandidateError, match="table: it reads texts, and the items are images"):
        resolve_sources([str(folder)], modality=Modality.IMAGE)


def test_a_catalogue_names_a_folder_with_its_licence(tmp_path: Path) -> None:
    write_table(tmp_path / "table")
    catalogue = tmp_path / "sources.toml"
    entry = '[[source]]\nname = "words"\nfolder = "table"\nlicense = "MIT"\n'
    catalogue.write_text(entry, encoding="utf-8")
    (source,) = resolve_sources(catalogue).sources
    assert (source.name, source.license, source.modality) == ("words", "MIT", "text")
    catalogue.write_text(entry + "input_size = 224\n", encoding="utf-8")
    with pytest.raises(InvalidSourceError, match="a folder says what input_size is"):
        resolve_sources(catalogue)


def test_a_name_of_the_hub_is_fetched_file_by_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_encoder(tmp_path / "tiny")
    asked = []

    def download(name: str, file: str) -> str:
        asked.append((name, file))
        if not (folder / file).is_file():
            raise huggingface_hub.errors.EntryNotFoundError(file)
        return str(folder / file)

    monkeypatch.setattr(folders, "hf_hub_download", download)
    (source,) = resolve_sources("owner/tiny").sources
    assert (source.name, source.origin) == ("owner/tiny", "hub:owner/tiny")
    assert {name for name, _ in asked} == {"owner/tiny"}
    assert ("owner/tiny", "model.safetensors") in asked
    assert not [file for _, file in asked if file.endswith((".bin", ".py"))]


def test_without_a_network_a_name_of_the_hub_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for error in (
        OSError("no network"),
        huggingface_hub.errors.LocalEntryNotFoundError("no network"),
    ):

        def fail(_name: str, _file: str, error: Exception = error) -> str:
            raise error

        monkeypatch.setattr(folders, "hf_hub_download", fail)
        with pytest.raises(InvalidSourceError, match=r"tiny': .* could not be fetched \(no netw"):
            resolve_sources("owner/tiny")


def test_the_untrained_network_of_a_seed_is_always_the_same(tmp_path: Path) -> None:
    from autotransfer.guard.from_scratch import untrained_twin

    source = source_of_folder(write_encoder(tmp_path / "a"))
    items = ImageSet(TextReader(["ball goal goal", "flute"]), [0, 1])
    found = []
    for seed in (0, 0, 1):
        backbone = load_backbone(untrained_twin(source, seed))
        found.append(backbone(backbone.prepared(items)).detach().numpy())
    assert np.array_equal(found[0], found[1])
    assert not np.allclose(found[0], found[2])
