"""Folders of saved models that are no longer what was saved."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from tests.hostile.catalogues import Touching
from tests.hostile.place import Case, Place

Spoil = Callable[[Path], Any]


def _json(file: str, *keys: str | int, value: Any = None, gone: bool = False) -> Spoil:
    """Put `value` at a place of a JSON file, or take the place out."""

    def spoil(model: Path) -> None:
        content = json.loads((model / file).read_text())
        inner = content
        for key in keys[:-1]:
            inner = inner[key]
        if gone:
            del inner[keys[-1]]
        else:
            inner[keys[-1]] = value
        (model / file).write_text(json.dumps(content))

    return spoil


def _text(file: str, content: str | bytes) -> Spoil:
    return lambda model: (model / file).write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )


def _tensors(file: str, change: Callable[[dict[str, Any]], Any]) -> Spoil:
    def spoil(model: Path) -> None:
        tensors = load_file(model / file)
        change(tensors)
        save_file(tensors, model / file)

    return spoil


def _fill(value: float) -> Callable[[dict[str, Any]], None]:
    def change(tensors: dict[str, Any]) -> None:
        for key, tensor in tensors.items():
            if tensor.dtype.kind == "f":
                tensors[key] = np.full_like(tensor, value)

    return change


def _transposed(tensors: dict[str, Any]) -> None:
    for key, tensor in tensors.items():
        tensors[key] = np.ascontiguousarray(np.concatenate([tensor, tensor]))


def _pickle(model: Path) -> None:
    import pickle

    (model / "readme.txt").write_bytes(pickle.dumps(Touching(model / "ran")))
    _json("source.json", "kwargs", value={"checkpoint_path": str(model / "readme.txt")})(model)


def _outside(model: Path) -> None:
    shutil.copy(model / "source.safetensors", model.parent / "elsewhere.safetensors")
    _json("source.json", "weights", "path", value="../elsewhere.safetensors")(model)


def _gone(file: str) -> Spoil:
    return lambda model: (model / file).unlink()


def _member_outside(model: Path) -> None:
    """Put the predictor into an ensemble, as a member whose own companion lies elsewhere."""
    shutil.copy(model / "companion-1.safetensors", model.parent / "elsewhere.safetensors")
    stored = json.loads((model / "predictor.json").read_text())
    stored["info"]["companions"][0]["weights"]["path"] = "../elsewhere.safetensors"
    member = {"strategy": stored["strategy"], "weight": 1, "sources": [0], "info": stored["info"]}
    stored |= {"strategy": "ensemble", "info": {"members": [member], "companions": []}}
    (model / "predictor.json").write_text(json.dumps(stored))
    tensors = load_file(model / "predictor.safetensors")
    save_file({f"0.{k}": x for k, x in tensors.items()}, model / "predictor.safetensors")


def _pipe(file: str) -> Spoil:
    def spoil(model: Path) -> None:
        (model / file).unlink()
        os.mkfifo(model / file)

    return spoil


FILES = (
    "selection.json",
    "predictor.json",
    "source.json",
    "predictor.safetensors",
    "source.safetensors",
)
READ = ("selection.json", "predictor.json", "source.json")
SPOILS: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    **{f"{file} is missing": (_gone(file), (file,)) for file in FILES},
    **{f"{file} is empty": (_text(file, ""), (file,)) for file in FILES},
    **{
        f"{file} is noise": (_text(file, np.random.default_rng(0).bytes(99)), (file,))
        for file in FILES
    },
    **{f"{file} is a pipe": (_pipe(file), (file,)) for file in FILES},
    **{f"{file} is a list": (_text(file, "[]"), (file,)) for file in READ},
    **{f"{file} is a number": (_text(file, "1e999"), (file,)) for file in READ},
    **{f"{file} is another object": (_text(file, '{"a": 1}'), (file,)) for file in READ},
    **{f"{file} is deep": (_text(file, "[" * 100_000), (file,)) for file in READ},
    "there is no class": (_json("selection.json", "class_names", value=[]), ("names 0",)),
    "there are more classes": (
        _json("selection.json", "class_names", value=[*"abcdefg"]),
        ("names 7",),
    ),
    "classes are a number": (_json("selection.json", "class_names", value=3), ("class_names",)),
    "classes are numbers": (
        _json("selection.json", "class_names", value=[1, 2, 3]),
        ("class_names",),
    ),
    "a class is there twice": (
        _json("selection.json", "class_names", value=["a", "a", "b"]),
        ("named twice",),
    ),
    "the scenario is of nobody": (_json("selection.json", "scenario", value="magic"), ("magic",)),
    "the strategy is of nobody": (_json("predictor.json", "strategy", value="magic"), ("magic",)),
    "the strategy is a number": (
        _json("predictor.json", "strategy", value=3),
        ("strategy named '3'",),
    ),
    "the temperature is negative": (
        _json("predictor.json", "temperature", value=-1),
        ("temperature",),
    ),
    "the temperature is nothing": (
        _json("predictor.json", "temperature", value=0),
        ("temperature",),
    ),
    "the temperature is text": (
        _json("predictor.json", "temperature", value="x"),
        ("predictor.json",),
    ),
    "the temperature is NaN": (
        _json("predictor.json", "temperature", value=float("nan")),
        ("temperature",),
    ),
    "info is a list": (_json("predictor.json", "info", value=[]), ("predictor.json",)),
    "the stages are text": (
        _json("predictor.json", "info", "stages", value=["a", "b", "c"]),
        ("predictor.json",),
    ),
    "the stages are too many": (
        _json("predictor.json", "info", "stages", value=[1] * 9),
        ("predictor.json",),
    ),
    "a stage is not there": (
        _json("predictor.json", "info", "stages", value=[99] * 6),  # three probes, a joint one
        ("got 99",),
    ),
    "the sources are others": (
        _json("predictor.json", "info", "sources", value=[7, 8, 9]),
        ("predictor.json",),
    ),
    "the architecture is of nobody": (
        _json("source.json", "architecture", value="strange_net"),
        ("strange_net",),
    ),
    "the architecture is on the hub": (
        _json("source.json", "architecture", value="hf_hub:a/b"),
        ("hf_hub:a/b",),
    ),
    "the architecture is a number": (
        _json("source.json", "architecture", value=3),
        ("architecture",),
    ),
    "the weights lie elsewhere": (_outside, ("elsewhere.safetensors",)),
    "the weights of a member's companion lie elsewhere": (_member_outside, ("predictor.json",)),
    "a strategy reads further weights elsewhere": (
        _json("predictor.json", "info", "twin", value={"weights": {"path": "/etc/hostname"}}),
        ("/etc/hostname",),
    ),
    "the weights are /etc/hostname": (
        _json("source.json", "weights", "path", value="/etc/hostname"),
        ("/etc/hostname",),
    ),
    "the weights have another hash": (
        _json("source.json", "weights", "sha256", value="0" * 64),
        ("source.safetensors",),
    ),
    "the arguments name a pickle": (_pickle, ("checkpoint_path",)),
    "the arguments are a list": (_json("source.json", "kwargs", value=[1]), ("kwargs",)),
    "the input size is nothing": (
        _json("source.json", "preprocessing", "input_size", value=0),
        ("input_size",),
    ),
    "the input size is huge": (
        _json("source.json", "preprocessing", "input_size", value=10**6),
        ("input_size",),
    ),
    "the input size is text": (
        _json("source.json", "preprocessing", "input_size", value="a"),
        ("input_size",),
    ),
    "the mean is short": (_json("source.json", "preprocessing", "mean", value=[0.5]), ("mean",)),
    "the spread is nothing": (
        _json("source.json", "preprocessing", "std", value=[0, 0, 0]),
        ("std",),
    ),
    "the interpolation is magic": (
        _json("source.json", "preprocessing", "interpolation", value="magic"),
        ("magic",),
    ),
    "the preprocessing is gone": (
        _json("source.json", "preprocessing", gone=True),
        ("preprocessing",),
    ),
    "predictor.safetensors is NaN": (
        _tensors("predictor.safetensors", _fill(np.nan)),
        ("predictor.safetensors",),
    ),
    "predictor.safetensors is infinite": (
        _tensors("predictor.safetensors", _fill(np.inf)),
        ("cannot answer",),
    ),
    "predictor.safetensors is of nothing": (
        _tensors("predictor.safetensors", lambda t: t.clear()),
        ("predictor",),
    ),
    "predictor.safetensors has other shapes": (
        _tensors("predictor.safetensors", _transposed),
        ("cannot answer",),
    ),
    "source.safetensors is NaN": (
        _tensors("source.safetensors", _fill(np.nan)),
        ("source.safetensors",),
    ),
    "source.safetensors is of nothing": (
        _tensors("source.safetensors", lambda t: t.clear()),
        ("source.safetensors",),
    ),
    "a companion is missing": (
        lambda model: (model / "companion-1.safetensors").unlink(),
        ("companion-1.safetensors",),
    ),
}


def _command(spoil: Spoil, *argv: str) -> Callable[[Place], list[str]]:
    def make(place: Place) -> list[str]:
        spoil(place.have("model"))
        for word in argv:
            if (place.good / word).exists():
                place.have(word)
        return list(argv)

    return make


CASES = [
    *(
        Case(f"predict: {name}", _command(spoil, "predict", "model", "plain"), words)
        for name, (spoil, words) in SPOILS.items()
    ),
    *(
        Case(
            f"{command[0]}: {file} is noise",
            _command(SPOILS[f"{file} is noise"][0], *command),
            (file,),
        )
        for command in (
            ["show", "model"],
            ["export", "model", "x.onnx"],
            ["compare", "model", "model", "bars"],
        )
        for file in FILES[: 1 if command[0] == "show" else 3]
    ),
]
