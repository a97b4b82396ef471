"""Bad input ends with exit code 2 and one clear line, never with a traceback."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typing_extensions import override

from autotransfer.cli import run


class _Exploit:
    """Runs code when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    @override
    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.marker,)


def _refused(arguments: list[str], capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run, check exit code 2 and the words, and return what was printed on standard error."""
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
    last = printed.err[printed.err.rindex("autotransfer: ") :]
    for word in words:
        assert word in last
    return last


@pytest.fixture
def fit(target: Path, catalogue: Path) -> list[str]:
    """The beginning of a good command."""
    return ["fit", str(target), "--sources", str(catalogue), "--trials", "1"]


def _picture(path: Path, size: tuple[int, int] = (16, 16), seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def _classes(root: Path, counts: dict[str, int]) -> Path:
    for label, (name, count) in enumerate(counts.items()):
        for i in range(count):
            _picture(root / name / f"{i}.jpg", seed=100 * label + i)
    return root


def test_a_missing_path(catalogue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _refused(["fit", "nowhere", "--sources", str(catalogue)], capsys, "nowhere")


def test_an_empty_folder(
    tmp_path: Path, catalogue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    _refused(["fit", "empty", "--sources", str(catalogue)], capsys, "empty")


def test_one_class(tmp_path: Path, catalogue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _classes(tmp_path / "one", {"cat": 5})
    _refused(["fit", "one", "--sources", str(catalogue)], capsys, "cat", "two")


def test_a_class_with_one_picture(
    tmp_path: Path, catalogue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _classes(tmp_path / "few", {"cat": 5, "dog": 1})
    _refused(["fit", "few", "--sources", str(catalogue)], capsys, "dog")


def test_bad_pictures_are_all_named_at_once(
    tmp_path: Path, catalogue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = _classes(tmp_path / "bad", {"cat": 6, "dog": 6})
    (root / "cat" / "text.jpg").write_text("not an image")
    whole = (root / "cat" / "0.jpg").read_bytes()
    (root / "dog" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    _picture(root / "dog" / "dot.png", (1, 1))
    _refused(
        ["fit", "bad", "--sources", str(catalogue)],
        capsys,
        "text.jpg",
        "cut.jpg",
        "dot.png",
        "--on-bad-image skip",
    )


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [
        ("--strategy", "magic", "magic"),
        ("--source", "nobody", "nobody"),
        ("--space", "endless", "endless"),
        ("--metric", "luck", "luck"),
        ("--sampler", "dice", "dice"),
        ("--scenario", "sideways", "sideways"),
        ("--device", "abacus", "abacus"),
        ("--on-bad-image", "cry", "cry"),
        ("--margin", "-1", "margin"),
        ("--trials", "0", "0"),
        ("--trials", "many", "many"),
        ("--seconds", "0", "0"),
        ("--seconds", "-3", "-3"),
        ("--max-sources", "0", "0"),
        ("--plugin", "absent.py", "absent.py"),
    ],
)
def test_an_option_value_that_is_not_allowed(
    fit: list[str], option: str, value: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _refused([*fit, option, value], capsys, word)


def test_pages_of_a_folder_without_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new").mkdir()
    _refused(["ui", "--workspace", "new"], capsys, "there are no runs in", "--workspace")


def test_a_catalogue_with_a_wrong_hash(
    fit: list[str], catalogue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = catalogue.read_text()
    start = text.index('sha256 = "') + len('sha256 = "')
    catalogue.write_text(text[:start] + "0" * 64 + text[start + 64 :])
    _refused(fit, capsys, "tiny-0", "0" * 64)


def test_a_pickle_that_would_run_code_is_refused_and_not_run(
    target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marker = tmp_path / "executed"
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"weight": _Exploit(marker)}))
    (tmp_path / "evil.toml").write_text(
        '[[source]]\nname = "evil"\narchitecture = "test_resnet"\nweights = "evil.pth"\n'
        "input_size = 32\n"
    )
    arguments = ["fit", str(target), "--sources", "evil.toml", "--trials", "1"]
    _refused(arguments, capsys, "evil", "safetensors")
    assert not marker.exists()


def test_sources_that_all_need_an_unregistered_architecture(
    target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "strange.toml").write_text(
        '[[source]]\nname = "strange"\narchitecture = "strange_net"\nuntrained = true\n'
        "input_size = 32\n"
    )
    _refused(["fit", str(target), "--sources", "strange.toml"], capsys, "strange_net", "--plugin")


def test_an_output_folder_that_cannot_be_made(
    fit: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _refused([*fit, "--out", "/proc/autotransfer-result"], capsys, "/proc/autotransfer-result")


def test_an_output_folder_that_exists(
    fit: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there").mkdir()
    _refused([*fit, "--out", "there"], capsys, "there", "--resume")
    assert list((tmp_path / "there").iterdir()) == []


def test_a_model_folder_that_holds_no_model(
    target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _refused(["predict", str(tmp_path / "none"), str(target)], capsys, "none")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[magic]\nx = 1\n", ["magic"]),
        ('strategies = ["magic"]\n', ["magic"]),
        ("[fine-tune]\nbanana = 1\n", ["fine-tune.banana"]),
        ("[fine-tune]\nepochs = { low = 9, high = 2 }\n", ["fine-tune.epochs", "low"]),
        ('[fine-tune]\nepochs = "many"\n', ["fine-tune.epochs", "many"]),
        ("[fine-tune\n", ["TOML"]),
    ],
)
def test_a_wrong_search_space_names_the_file_and_the_key(
    fit: list[str],
    tmp_path: Path,
    text: str,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "mine.toml").write_text(text)
    _refused([*fit, "--space", "mine.toml"], capsys, "mine.toml", *words)
