"""Catalogues of sources, and weights, that are wrong, cut short, or mean harm."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from typing_extensions import override

from tests.hostile.place import Case, Place

Spoil = Callable[[Place], str]


class Touching:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @override
    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return os.mkdir, (str(self.path),)


def _text(content: str | bytes) -> Spoil:
    def make(place: Place) -> str:
        place.have("sources")
        place.write("sources/c.toml", content)
        return "sources/c.toml"

    return make


def _entry(**keys: str) -> Spoil:
    """A catalogue of one source, after keys (in TOML) were put in or, if empty, taken out."""
    whole = {
        "name": '"one"',
        "architecture": '"test_resnet"',
        "weights": '"tiny-0.safetensors"',
        "kwargs": "{ num_classes = 0 }",
        "input_size": "32",
    } | keys
    lines = [f"{key} = {value}" for key, value in whole.items() if value]
    return _text("\n".join(["[[source]]", *lines, ""]))


def _weights(spoil: Callable[[Path], Any], name: str = "w.safetensors") -> Spoil:
    def make(place: Place) -> str:
        path = place.have("sources") / name
        spoil(path)
        return _entry(weights=f'"{name}"')(place)

    return make


def _tensors(change: Callable[[dict[str, Any]], Any]) -> Spoil:
    def spoil(path: Path) -> None:
        tensors = load_file(path.parent / "tiny-0.safetensors")
        change(tensors)
        save_file(tensors, path)

    return _weights(spoil)


def _evil(path: Path) -> None:
    path.write_bytes(pickle.dumps({"state_dict": Touching(path.with_name("ran"))}))


def _largest(tensors: dict[str, Any]) -> str:
    return max(tensors, key=lambda name: tensors[name].size)


def _of_one(tensors: dict[str, Any], value: float) -> None:
    key = next(name for name in tensors if name.endswith("weight"))
    tensors[key] = np.full_like(tensors[key], value)


def _kwargs(text: str) -> Spoil:
    def make(place: Place) -> str:
        _evil(place.have("sources") / "evil.pth")
        return _entry(weights="", untrained="true", kwargs=text)(place)

    return make


CONTENTS: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "is missing": (lambda place: "sources/none.toml", ("none.toml",)),
    "is empty": (_text(""), ("c.toml",)),
    "is not TOML": (_text("[[source\n"), ("c.toml", "TOML")),
    "is not UTF-8": (_text(b'[[source]]\nname = "\xff"\n'), ("c.toml",)),
    "is zeros": (_text(b"\0" * 99), ("c.toml",)),
    "has a number for its sources": (_text("source = 3\n"), ("c.toml",)),
    "has a list of numbers": (_text("source = [3]\n"), ("c.toml",)),
    "has another key": (_text('[[sources]]\nname = "x"\n'), ("c.toml",)),
    "is a folder": (
        lambda place: place.folder(f"{place.have('sources').name}/d.toml"),
        ("d.toml",),
    ),
    "is a pipe": (
        lambda place: place.pipe(f"{place.have('sources').name}/p.toml"),
        ("p.toml",),
    ),
    "is a set of nobody": (lambda place: "gigantic", ("gigantic",)),
    "is a model of nobody": (lambda place: "models:/nobody/1", ("nobody",)),
}
ENTRIES: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    **{
        f"lacks {key}": (_entry(**{key: ""}), (f"'{key}'",))
        for key in ("name", "architecture", "input_size")
    },
    **{
        f"{key} = {value}": (_entry(**{key: value}), (key,))
        for key, values in {
            "name": ("3", '""', '"a\\nb"'),
            "architecture": ("3", '""'),
            "weights": ("3", '"none.safetensors"', '"."', '"/dev/null"'),
            "sha256": ('"0"', "3", f'"{"0" * 64}"'),
            "input_size": ("0", "-1", '"32"', "1.5", "true", "1000000"),
            "mean": ("[0.5]", '["a", "b", "c"]', "[nan, 0.5, 0.5]"),
            "std": ("[0.0, 0.5, 0.5]", "[inf, 1.0, 1.0]", "[nan, 1.0, 1.0]", "3"),
            "interpolation": ('"magic"', "3"),
            "crop_pct": ("0.0", "2.0", "nan"),
            "class_names": ('"none.txt"', "3"),
            "num_pretraining_images": ('"many"', "-1"),
            "pretraining_accuracy": ("2.0", "nan"),
            "kwargs": ("3", "[]"),
            "colour": ('"red"',),
        }.items()
        for value in values
    },
    "names an architecture of nobody": (
        _entry(architecture='"strange_net"'),
        ("strange_net", "--plugin"),
    ),
    "names a source twice": (
        _text(
            2 * '[[source]]\nname = "a"\narchitecture = "test_resnet"\n'
            "untrained = true\ninput_size = 32\n"
        ),
        ("'a'",),
    ),
    **{
        f"kwargs {text}": (_kwargs(text), (text.split()[1],))
        for text in (
            '{ checkpoint_path = "evil.pth" }',
            "{ pretrained = true }",
            '{ pretrained_cfg = "a" }',
            '{ pretrained_cfg_overlay = { file = "evil.pth" } }',
            '{ cache_dir = "." }',
            "{ scriptable = true }",
            '{ in_chans = "many" }',
            "{ nonsense = 1 }",
            "{ in_chans = 1000000 }",
        )
    },
}
WEIGHTS: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "are text": (_weights(lambda path: path.write_text("no")), ("one:",)),
    "are empty": (_weights(lambda path: path.write_bytes(b"")), ("one:",)),
    "are cut short": (
        _weights(
            lambda path: path.write_bytes((path.parent / "tiny-0.safetensors").read_bytes()[:500])
        ),
        ("one:",),
    ),
    "have a head of gigabytes": (
        _weights(lambda path: path.write_bytes(b"\xff" * 7 + b"\x0f" + b"{}")),
        ("one:",),
    ),
    "are a folder": (_weights(lambda path: path.mkdir()), ("w.safetensors",)),
    "are a pipe": (_weights(os.mkfifo), ("w.safetensors",)),
    "are a pickle that runs": (_weights(_evil, "evil.pth"), ("one:",)),
    "are a pickle that runs, named safetensors": (_weights(_evil), ("one:",)),
    "are a list": (_weights(lambda path: torch.save([1, 2], path), "w.pth"), ("one:",)),
    "are of nothing": (_tensors(lambda tensors: tensors.clear()), ("one:",)),
    "lack a tensor": (_tensors(lambda tensors: tensors.pop(_largest(tensors))), ("one:",)),
    "have a tensor too many": (
        _tensors(lambda tensors: tensors.update(strange=np.zeros(3, np.float32))),
        ("strange",),
    ),
    "have another shape": (
        _tensors(
            lambda tensors: tensors.update({k: v[:1] for k, v in tensors.items() if v.ndim == 4})
        ),
        ("one:",),
    ),
    "are NaN": (_tensors(lambda tensors: _of_one(tensors, np.nan)), ("one:",)),
    "are infinite": (_tensors(lambda tensors: _of_one(tensors, np.inf)), ("one:",)),
    "are huge": (_tensors(lambda tensors: _of_one(tensors, 1e38)), ("one:",)),
}


def _fit(spoil: Spoil) -> Callable[[Place], list[str]]:
    def make(place: Place) -> list[str]:
        sources = spoil(place)
        return place.fit(sources=sources)

    return make


def _check(spoil: Spoil) -> Callable[[Place], list[str]]:
    return lambda place: ["sources", "--sources", spoil(place), "--check"]


CASES = [
    *(
        Case(f"a catalogue {name}", _fit(spoil), words)
        for name, (spoil, words) in (CONTENTS | ENTRIES).items()
    ),
    *(Case(f"weights {name}", _fit(spoil), words) for name, (spoil, words) in WEIGHTS.items()),
    *(
        Case(f"sources --check: a catalogue {name}", _check(spoil), words)
        for name, (spoil, words) in (CONTENTS | ENTRIES).items()
        if name in CONTENTS or name.startswith("kwargs")
    ),
]
