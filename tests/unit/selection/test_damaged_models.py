"""A model folder that anybody may have changed: an answer, or one line that says why not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from autotransfer.errors import AutotransferError
from autotransfer.models.catalogue.earlier_fit import source_of_selection
from autotransfer.plugin.registry import Registry, discover
from autotransfer.plugin.testing import shapes
from autotransfer.selection.selection import load

FROZEN = Path(__file__).parents[2] / "frozen" / "selection" / "unlabelled"
MISSING = object()
DEEP = b"[" * 100_000

JSON: list[tuple[str, str, Any]] = [  # file, path of the key, value
    ("source.json", "", []),
    ("source.json", "", None),
    ("source.json", "architecture", "no_such_network"),
    ("source.json", "architecture", "local-dir:/tmp"),
    ("source.json", "architecture", MISSING),
    ("source.json", "weights.path", "../../../etc/passwd"),
    ("source.json", "weights.path", "/etc/passwd"),
    ("source.json", "weights.path", "gone.safetensors"),
    ("source.json", "weights.sha256", "0" * 64),
    ("source.json", "kwargs", {"checkpoint_path": "source.safetensors"}),
    ("source.json", "kwargs", {"num_classes": 10**30}),
    ("source.json", "kwargs", 3),
    ("source.json", "preprocessing.input_size", 10**9),
    ("source.json", "preprocessing.std", [0, 0, 0]),
    ("source.json", "preprocessing.mean", [float("nan")] * 3),
    ("predictor.json", "", "text"),
    ("predictor.json", "strategy", "no-such-strategy"),
    ("predictor.json", "strategy", MISSING),
    ("predictor.json", "info", 3),
    ("predictor.json", "temperature", float("nan")),
    ("predictor.json", "temperature", -1),
    ("predictor.json", "class_weights", [1, "a"]),
    ("predictor.json", "class_weights", [float("nan")] * 2),
    ("selection.json", "", []),
    ("selection.json", "class_names", ["one", "two", "three", "four", "five", "six"]),
    ("selection.json", "class_names", []),
    ("selection.json", "verdict", None),
]


def _fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _tensors(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        save_file({key: change(x).contiguous() for key, x in load_file(file).items()}, file)

    return write


FILES: list[tuple[str, Callable[[Path], object]]] = [
    *((name, Path.unlink) for name in ("predictor.json", "source.json", "predictor.safetensors")),
    *((name, _fifo) for name in ("predictor.json", "source.safetensors", "selection.json")),
    *((name, _folder) for name in ("source.json", "predictor.safetensors", "source.safetensors")),
    *((name, lambda file: file.write_bytes(DEEP)) for name in ("predictor.json", "source.json")),
    ("selection.json", lambda file: file.write_bytes(b"\xff\xfe")),
    ("seen.txt", lambda file: file.write_bytes(b"\xff\xfe")),
    ("source.safetensors", lambda file: file.write_bytes(file.read_bytes()[:-20])),
    ("predictor.safetensors", lambda file: file.write_bytes(file.read_bytes()[:-20])),
    ("predictor.safetensors", lambda file: save_file({}, file)),
    ("predictor.safetensors", _tensors(lambda x: x * float("nan"))),
    ("predictor.safetensors", _tensors(lambda x: x.flatten()[:1])),
    ("predictor.safetensors", _tensors(lambda x: x * float("inf"))),
]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return discover(files=[])


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUTOTRANSFER_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(FROZEN, tmp_path / "model"))


def _refused(model: Path, registry: Registry) -> None:
    with pytest.raises(AutotransferError) as caught:
        load(model, registry=registry).predict_proba(shapes(2, 1))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_the_model_that_the_others_are_made_of_answers(model: Path, registry: Registry) -> None:
    found = load(model, registry=registry).predict_proba(shapes(2, 1))
    assert np.isfinite(found).all()


@pytest.mark.parametrize(("file", "key", "value"), JSON)
def test_a_value_that_was_changed_is_one_line(
    model: Path, registry: Registry, file: str, key: str, value: Any
) -> None:
    stored: Any = json.loads((model / file).read_text(encoding="utf-8"))
    *above, last = key.split(".")
    part = stored
    for name in above:
        part = part[name]
    if not key:
        stored = value
    elif value is MISSING:
        del part[last]
    else:
        part[last] = value
    (model / file).write_text(json.dumps(stored), encoding="utf-8")
    _refused(model, registry)


@pytest.mark.parametrize(("file", "change"), FILES)
def test_a_file_that_was_changed_is_one_line(
    model: Path, registry: Registry, file: str, change: Callable[[Path], object]
) -> None:
    change(model / file)
    _refused(model, registry)


@pytest.mark.parametrize("file", ["predictor.json", "source.json", "selection.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"null", DEEP, b"\xff"])
def test_a_damaged_model_is_no_source(model: Path, file: str, content: bytes) -> None:
    (model / file).write_bytes(content)
    with pytest.raises(AutotransferError) as caught:
        source_of_selection(model)
    assert "\n" not in str(caught.value)
