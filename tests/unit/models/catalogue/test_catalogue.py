from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from autotransfer.errors import (
    AutotransferError,
    DataWarning,
    InvalidSourceError,
    NoCandidateError,
    UnknownNameError,
)
from autotransfer.models.catalogue import resolve_sources
from autotransfer.models.catalogue.toml_catalogue import read_catalogue
from autotransfer.models.source import HubWeights, LocalWeights, Untrained

GOOD = '[[source]]\nname = "a"\narchitecture = "resnet18"\nuntrained = true\ninput_size = 32\n'


def _catalogue(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_source_without_weights_comes_from_the_hub(tmp_path: Path) -> None:
    text = GOOD.replace("untrained = true\n", "")
    ((source,), _) = read_catalogue(_catalogue(tmp_path, text))
    assert source.weights == HubWeights("resnet18")


def test_an_untrained_source_keeps_its_seed(tmp_path: Path) -> None:
    ((source,), _) = read_catalogue(_catalogue(tmp_path, GOOD + "seed = 5\n"))
    assert source.weights == Untrained(5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no [[source]]"),
        ("x = [", "not TOML"),
        ("[[source]]\nname = 'a'\n", "'architecture' is missing"),
        (GOOD + "color = 'red'\n", "unknown key 'color'"),
        (GOOD.replace("32", "'big'"), "input_size must be int"),
        (GOOD.replace("32", "0"), "input_size must be at least 1"),
        (GOOD + "mean = [0.5]\n", "mean must hold three numbers"),
        (GOOD + "std = [0, 1, 1]\n", "std must be above 0"),
        (GOOD + "crop_pct = 1.5\n", "crop_pct must be in (0, 1]"),
        (GOOD + "interpolation = 'magic'\n", "interpolation must be one of"),
        (GOOD + GOOD, "two sources are named 'a'"),
        (GOOD.replace("untrained = true", "weights = 'gone.safetensors'"), "gone.safetensors"),
        (GOOD.replace("untrained = true", "weights = '.'"), "a folder, not a file"),
        (GOOD.replace("untrained = true", f"weights = '{'x' * 300}'"), "name too long"),
        (GOOD.replace("untrained = true", "weights = 'a\\u0000b'"), "cannot be read"),
        (GOOD.replace("untrained = true", "weights = 'mine.toml'\nsha256 = 'x'"), "says x"),
        (GOOD + "class_names = '.'\n", "a folder, not a file"),
        (GOOD + "mean = [nan, 0.5, 0.5]\n", "must be finite"),
        (GOOD + "std = [inf, 1, 1]\n", "must be finite"),
        (GOOD + "crop_pct = nan\n", "crop_pct must be in (0, 1]"),
        (GOOD + "crop_pct = 1e-9\n", "input_size / crop_pct at most"),
        (GOOD.replace("32", "1000000000"), "input_size must be at most"),
        (GOOD.replace("32", "9" * 5000), "not TOML"),
        (GOOD + "pretraining_accuracy = nan\n", "must be a fraction"),
        (GOOD + "kwargs = {num_classes = 'x'}\n", "num_classes in kwargs must be a whole number"),
        (GOOD + "kwargs = {checkpoint_path = 'x'}\n", "'checkpoint_path' is not allowed"),
        ("source = 3\n", "no [[source]]"),
        ("source = [3]\n", "must be a table"),
        ("x = 3\n" + GOOD, "unknown key 'x'"),
        ("x = " + "[" * 5000 + "\n", "not TOML"),
    ],
)
def test_a_wrong_catalogue_is_named_with_what_is_wrong(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(InvalidSourceError) as caught:
        read_catalogue(_catalogue(tmp_path, text))
    assert "mine.toml" in str(caught.value)
    assert words in str(caught.value)


def test_one_wrong_source_is_left_out_with_its_reason(tmp_path: Path) -> None:
    wrong = GOOD.replace('"a"', '"b"').replace("untrained = true", "weights = 'gone.pth'")
    path = _catalogue(tmp_path, GOOD + wrong + "[[source]]\nname = 3\n")
    with pytest.warns(DataWarning, match="left out"):
        found = resolve_sources(path)
    assert [source.name for source in found.sources] == ["a"]
    assert [skip.source for skip in found.skipped] == ["b", "source 3"]
    assert "gone.pth" in found.skipped[0].reason
    assert "'architecture' is missing" in found.skipped[1].reason
    assert not resolve_sources(path, only=["a"]).skipped
    with pytest.raises(InvalidSourceError, match=r"gone\.pth"):
        resolve_sources(path, only=["b"])
    with pytest.warns(DataWarning), pytest.raises(NoCandidateError, match=r"b: .*gone\.pth"):
        resolve_sources(_catalogue(tmp_path, wrong + "[[source]]\nname = 3\n"))


@pytest.mark.parametrize("content", [b"\xff\xfe", None], ids=["not UTF-8", "a folder"])
def test_a_catalogue_that_cannot_be_read_is_one_line(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "mine.toml"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(InvalidSourceError, match="cannot be read") as caught:
        resolve_sources(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_a_catalogue_that_is_no_plain_file_is_refused_unread(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mine.toml")
    with pytest.raises(InvalidSourceError, match="is a named pipe, not a file"):
        resolve_sources(tmp_path / "mine.toml")


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 5000, "../..", "local-dir:/tmp", "hf-hub:a/b"])
def test_a_name_that_is_no_architecture_is_unknown(name: str) -> None:
    with pytest.raises(UnknownNameError):
        resolve_sources(name)


def test_an_unknown_timm_name_lists_close_ones() -> None:
    with pytest.raises(UnknownNameError, match="resnet18"):
        resolve_sources("resnet18x")


@pytest.mark.parametrize(
    ("requested", "said"),
    [
        (3, "sources must be a catalogue"),
        (object(), "sources must be a catalogue"),
        ([], "an empty list"),
        ("", "no source named ''"),
        ("a\0b", "no source named"),
        ("x" * 5000, "no source named"),
        ("x" * 5000 + ".toml", "xxx"),
        ("https://ann:sesame@h/x", r"no source named 'https://\*\*\*@h/x'"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_what_names_no_source_is_refused_in_words(requested: Any, said: str) -> None:
    with pytest.raises(AutotransferError, match=said) as refused:
        resolve_sources(requested)
    assert len(str(refused.value)) <= 2000
    assert "sesame" not in str(refused.value)


def test_only_keeps_the_named_and_refuses_the_unknown(tmp_path: Path) -> None:
    path = _catalogue(tmp_path, GOOD + GOOD.replace('"a"', '"b"'))
    assert [s.name for s in resolve_sources(path, only=["b"]).sources] == ["b"]
    with pytest.raises(UnknownNameError, match="a, b"):
        resolve_sources(path, only=["c"])


@pytest.mark.parametrize("first", [True, False])
def test_who_names_a_source_of_a_catalogue_as_one_more_source_is_told_how_to_keep_it_alone(
    tmp_path: Path,
    first: bool,  # noqa: FBT001 - pytest gives it
) -> None:
    path = _catalogue(tmp_path, GOOD)
    with pytest.raises(InvalidSourceError, match="give the catalogue and --source a "):
        resolve_sources(["a", path] if first else [path, "a"])
    with pytest.raises(UnknownNameError, match="b"):
        resolve_sources(["b", path])


def test_an_unregistered_architecture_is_skipped_with_the_way_out(tmp_path: Path) -> None:
    strange = GOOD.replace('"a"', '"b"').replace("resnet18", "strange_net")
    found = resolve_sources(_catalogue(tmp_path, GOOD + strange))
    assert [source.name for source in found.sources] == ["a"]
    assert found.skipped[0].source == "b"
    assert "--plugin" in found.skipped[0].reason
    with pytest.raises(NoCandidateError, match="strange_net"):
        resolve_sources(_catalogue(tmp_path, strange))


@pytest.mark.kit
def test_the_catalogue_of_the_kit_is_read_with_hashes_and_licences(kit: Path) -> None:
    sources, wrong = read_catalogue(kit / "weights" / "catalogue.toml")
    assert len(sources) == 15
    assert not wrong
    assert all(isinstance(source.weights, LocalWeights) for source in sources)
    assert all(source.license != "unknown" for source in sources)
    imagenet = next(s for s in sources if s.name == "mobilenetv2-imagenet")
    assert imagenet.class_names is not None
    assert len(imagenet.class_names) == 1000
