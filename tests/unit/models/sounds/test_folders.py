"""Encoders of sounds from a folder or the hub: what is read, what is refused, and why."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from autotransfer.data.modality import Modality
from autotransfer.errors import InvalidSourceError, NoCandidateError
from autotransfer.models.backbone import load_backbone
from autotransfer.models.catalogue import resolve_sources
from autotransfer.models.catalogue.descriptions import describe_default_set
from autotransfer.models.catalogue.hub_sets import HUB_SETS
from autotransfer.models.sounds.folders import FILES, sound_source_of_folder
from autotransfer.models.source import source_from_json, source_to_json
from autotransfer.models.texts import folders
from tests.tiny_sounds import AST, write_encoder
from tests.tiny_texts import write_encoder as write_text_encoder


def test_a_source_of_sounds_survives_json_and_has_one_key_wherever_it_lies(
    tmp_path: Path,
) -> None:
    first = sound_source_of_folder(write_encoder(tmp_path / "a"), "one")
    second = sound_source_of_folder(write_encoder(tmp_path / "b"), "two")
    assert source_from_json(json.loads(json.dumps(source_to_json(first)))) == first
    assert first.fingerprint == second.fingerprint
    _tell(tmp_path / "b", do_normalize=False)
    assert sound_source_of_folder(tmp_path / "b").fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("wavlm", "sounds of 16 kHz, up to 10 s"),
        (AST, "sounds of 16 kHz, up to 0.64 s"),  # 64 frames of 10 ms
        ("whisper", "sounds of 16 kHz, up to 1 s"),
    ],
)
def test_the_folder_says_at_which_rate_and_how_long(kind: str, told: str, tmp_path: Path) -> None:
    assert sound_source_of_folder(write_encoder(tmp_path / "a", kind)).preprocessing.told == told


def _tell(folder: Path, file: str = "preprocessor_config.json", **values: Any) -> None:
    found = json.loads((folder / file).read_text(encoding="utf-8"))
    (folder / file).write_text(json.dumps(found | values), encoding="utf-8")


def _configure(folder: Path, **values: Any) -> None:
    _tell(folder, "config.json", **values)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("wavlm", lambda f: (f / FILES[1]).unlink(), "no preprocessor_config.json in .*says how"),
        ("wavlm", lambda f: (f / FILES[2]).unlink(), "there is no model.safetensors"),
        ("wavlm", lambda f: (f / FILES[0]).write_text("{"), "config.json"),
        ("wavlm", lambda f: _tell(f, sampling_rate=1), r"sample_rate must be in 1000\.\.400000"),
        ("wavlm", lambda f: _tell(f, sampling_rate="16000"), "sampling_rate in pre.* is '16000'"),
        ("wavlm", lambda f: _tell(f, do_normalize=3), "do_normalize in pre.* is '3'"),
        (AST, lambda f: _tell(f, std=0), "std in preprocessor_config.json is 0"),
        (
            AST,
            lambda f: _tell(f, num_mel_bins=16),
            "num_mel_bins in config.json is 32, and pre.*16",
        ),
        (AST, lambda f: _tell(f, max_length=10**9), "max_length in .* is 1000000000, .*too much"),
        ("whisper", lambda f: _tell(f, chunk_length=10**4), "frames of a sound in"),
        (
            "whisper",
            lambda f: _tell(f, chunk_length=2),
            "max_source_positions .* 50, .* gives 100",
        ),
        ("hubert", lambda f: _configure(f, conv_pos_batch_norm=True), "says conv_pos_batch_norm"),
        ("wavlm", lambda f: _configure(f, hidden_size=10**9), "hidden_size in config.json is"),
        ("wavlm", lambda f: _configure(f, model_type="encodec"), "is of the kind 'encodec'; enc"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(
    kind: str, change: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    folder = write_encoder(tmp_path / "a", kind)
    change(folder)
    with pytest.raises(InvalidSourceError, match=message) as caught:
        sound_source_of_folder(folder)
    assert "\n" not in str(caught.value)


def test_only_files_that_run_no_code_are_read(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "a")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InvalidSourceError, match=r"only pytorch_model.bin, which is not read"):
        resolve_sources(str(folder))
    write_encoder(tmp_path / "b")
    _configure(tmp_path / "b", auto_map={"AutoModel": "evil.Model"}, attn_implementation="evil/k")
    (source,) = resolve_sources(str(tmp_path / "b")).sources
    assert not {"auto_map", "attn_implementation"} & set(source.kwargs["config"])
    load_backbone(source)


def test_without_the_extra_one_line_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sound_source_of_folder(write_encoder(tmp_path / "a"))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InvalidSourceError, match=r"pip install 'autotransfer\[sound\]'"):
        load_backbone(source)


def test_sources_of_other_items_are_skipped_with_a_reason(tmp_path: Path) -> None:
    sounds, texts = write_encoder(tmp_path / "ears"), write_text_encoder(tmp_path / "eyes")
    found = resolve_sources([str(sounds), str(texts)], modality=Modality.SOUND)
    assert [source.name for source in found.sources] == ["ears"]
    assert [skip.reason for skip in found.skipped] == ["it reads texts, and the items are sounds"]
    with pytest.raises(NoCandidateError, match="ears: it reads sounds, and the items are texts"):
        resolve_sources(str(sounds), modality=Modality.TEXT)


def test_a_folder_of_whisper_is_one_of_sounds_though_it_has_a_tokenizer(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "w", "whisper")
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    (source,) = resolve_sources(str(folder)).sources
    assert source.modality is Modality.SOUND


def test_a_catalogue_names_a_folder_with_its_licence(tmp_path: Path) -> None:
    write_encoder(tmp_path / "ears")
    catalogue = tmp_path / "sources.toml"
    entry = '[[source]]\nname = "one"\nfolder = "ears"\nlicense = "MIT"\n'
    catalogue.write_text(entry, encoding="utf-8")
    (source,) = resolve_sources(catalogue).sources
    assert (source.name, source.license, source.modality) == ("one", "MIT", "sound")


def _serve(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Answer for the hub with the files of a folder; return what is asked for as it comes."""
    asked: list[str] = []

    def download(name: str, file: str) -> str:
        asked.append(f"{name}/{file}")
        if not (folder / file).is_file():
            raise huggingface_hub.errors.EntryNotFoundError(file)
        return str(folder / file)

    monkeypatch.setattr(folders, "hf_hub_download", download)
    return asked


def test_a_name_of_the_hub_is_fetched_file_by_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _serve(write_encoder(tmp_path / "tiny"), monkeypatch)
    (source,) = resolve_sources("owner/tiny").sources
    assert (source.name, source.origin) == ("owner/tiny", "hub:owner/tiny")
    assert set(asked) == {f"owner/tiny/{file}" for file in FILES}


def test_a_name_of_the_hub_without_safetensors_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_encoder(tmp_path / "tiny")
    (folder / "model.safetensors").unlink()
    _serve(folder, monkeypatch)
    with pytest.raises(
        InvalidSourceError, match=r"the hub has no model\.safetensors of that name"
    ):
        resolve_sources("owner/tiny")


def test_default_sets_are_fetched_with_their_licences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _serve(write_encoder(tmp_path / "any"), monkeypatch)
    for name, models in HUB_SETS[Modality.SOUND].items():
        found = resolve_sources(name, modality=Modality.SOUND).sources
        assert [(s.name, s.license) for s in found] == [(m.name, m.license) for m in models]
    assert "openai/whisper-tiny/model.safetensors" in asked


def test_without_a_network_a_default_set_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_name: str, _file: str) -> str:
        raise OSError("no network")

    monkeypatch.setattr(folders, "hf_hub_download", fail)
    with pytest.raises(InvalidSourceError, match=r"whisper-tiny': .* not be fetched \(no netw"):
        resolve_sources("tiny", modality=Modality.SOUND)


def test_a_default_set_says_what_it_costs_before() -> None:
    told = describe_default_set("base", Modality.SOUND, 120)
    # 131e9 multiplications of 120 sounds at 0.05 s for each 1e9
    assert "BSD-3-Clause, 346 MB to fetch once, about 13.1 min for 120 sounds" in told
    assert "(each is filled up to 10.24 s)" in told
    assert describe_default_set("tiny", Modality.SOUND, 60).count("\n") == 1
