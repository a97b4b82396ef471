"""Options that mean nothing, or name what is not there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.hostile.place import Case, Place


def _option(option: str, value: str, word: str = "") -> Case:
    """An option whose name the message has to say, and its value: as `word`, or in quotes."""

    def make(place: Place) -> list[str]:
        return place.fit(option, value)

    shown = value if len(value) < 30 else f"{value[:20]}-{len(value)}-long"
    return Case(f"fit {option} {shown!r}", make, (option.lstrip("-"), word or repr(value)))


def _commands(rows: dict[str, tuple[list[str], tuple[str, ...]]]) -> list[Case]:
    def making(argv: list[str]) -> Callable[[Place], list[str]]:
        def make(place: Place) -> list[str]:
            for word in argv:
                first = Path(word).parts[:1]
                if first and (place.good / first[0]).exists():
                    place.have(first[0])
            return argv

        return make

    return [Case(name, making(argv), words) for name, (argv, words) in rows.items()]


NUMBERS = [
    _option(option, value, f"got {value}")
    for option, values in {
        "--seed": ("-1", "99999999999999999999999", str(2**32)),
        "--trials": ("0", "-1"),
        "--seconds": ("0", "-3", "nan", "inf", "-inf"),
        "--margin": ("-1", "nan", "inf"),
        "--max-mb": ("0", "-5", "nan"),
        "--max-ms": ("0", "-5", "nan"),
        "--max-sources": ("0", "-1"),
        "--memory": ("0", "-1", "nan"),
        "--workers": ("0", "-2", "100000000"),
    }.items()
    for value in values
]
NO_NUMBERS = [
    _option(option, value)
    for option, values in {
        "--seed": ("1.5", "x", ""),
        "--trials": ("many", "1.5", "nan", ""),
        "--seconds": ("x", ""),
        "--margin": ("x",),
        "--max-mb": ("x",),
        "--max-ms": ("x", "5ms"),
        "--max-sources": ("1.5", "x"),
        "--memory": ("x",),
        "--workers": ("x", "1.5"),
    }.items()
    for value in values
]
WORDS = [
    _option(option, value)
    for option, values in {
        "--strategy": ("magic", "", "Feature-Extraction ", "../x"),
        "--source": ("nobody", ""),
        "--license": ("permisive", "", ","),
        "--space": ("endless", ""),
        "--metric": ("luck", "", "Accuracy"),
        "--sampler": ("dice", ""),
        "--scenario": ("sideways", "", "labeled"),
        "--device": ("abacus", "gpu", "", "cpu:x", "meta"),
        "--on-bad-image": ("cry", ""),
        "--executor": ("threads", "nosuch", ""),
        "--plugin": ("absent.py", "nowhere/at/all.py"),
    }.items()
    for value in values
] + [_option("--device", "cuda:99", "cuda:99")]
NAMES = [
    *(
        _option(option, value)
        for option, values in {
            "--name": ("", ".", "..", "../escape", "/absolute", "a/b", " "),
            "--experiment": ("",),
            "--register": ("", "team/model", "a:b", "a\nb"),
        }.items()
        for value in values
    ),
    *(_option("--name", value) for value in ("a\\b", "a\nb", "bad\udcff", "a\x1bb")),
    *(_option("--experiment", value) for value in ("a\nb", "bad\udcff")),
    _option("--name", "x" * 300, f"'{'x' * 40}..."),
    _option("--experiment", "e" * 5000, f"'{'e' * 40}..."),
]
STORAGES = [
    _option("--storage", value, word)
    for value, word in {
        "nonsense": "nonsense",
        "": "''",
        "foo://x/y": "foo://x/y",
        "sqlite:////proc/none/x.db": "/proc/none",
        "postgresql://user:pw@127.0.0.1:abc/x": "postgresql://***@127.0.0.1:abc/x",
        "mysql://user@127.0.0.1:1/x": "mysql://***@127.0.0.1:1/x",
    }.items()
]


def _occupied(name: str, content: bytes | None, *more: str) -> Callable[[Place], list[str]]:
    def make(place: Place) -> list[str]:
        if content is None:
            (place.root / name).mkdir()
        else:
            place.write(name, content)
        return place.fit(*more)

    return make


def _link(place: Place) -> list[str]:
    (place.root / "link").symlink_to("nowhere")
    return place.fit("--out", "link")


def _fifo(option: str) -> Callable[[Place], list[str]]:
    def make(place: Place) -> list[str]:
        os.mkfifo(place.root / "pipe")
        return place.fit(option, "pipe")

    return make


def _pairs(*more: str) -> Callable[[Place], list[str]]:
    return lambda place: place.fit(*more)


PLACES = [
    Case("fit --out is a file", _occupied("f", b"x", "--out", "f"), ("folder f", "--out")),
    Case("fit --out below a file", _occupied("f", b"x", "--out", "f/g"), ("folder f/g", "--out")),
    Case("fit --out exists", _occupied("there", None, "--out", "there"), ("there", "--resume")),
    Case("fit --out is a dangling link", _link, ("link",)),
    Case("fit --out in proc", _pairs("--out", "/proc/result"), ("/proc/result",)),
    Case("fit --out is the target", _pairs("--out", "bars.npz"), ("bars.npz",)),
    Case(
        "autotransfer.db is no database",
        _occupied("autotransfer.db", b"garbage" * 999),
        ("autotransfer.db",),
    ),
    Case("autotransfer.db is a folder", _occupied("autotransfer.db", None), ("autotransfer.db",)),
    Case(
        "--storage is no database",
        _occupied("x.db", b"no database" * 99, "--storage", "sqlite:///x.db"),
        ("x.db",),
    ),
    Case(
        "--storage is a folder",
        _occupied("d", None, "--storage", "sqlite:///d"),
        ("sqlite:///d",),
    ),
    Case("--source-data is a pipe", _fifo("--source-data"), ("pipe",)),
    Case("--unlabelled is a pipe", _fifo("--unlabelled"), ("pipe",)),
    Case("--space is a pipe", _fifo("--space"), ("pipe",)),
    Case("--plugin is a pipe", _fifo("--plugin"), ("pipe",)),
    Case("--space is a folder", _occupied("s.toml", None, "--space", "s.toml"), ("s.toml",)),
    Case("--plugin is a folder", _occupied("p.py", None, "--plugin", "p.py"), ("p.py",)),
    Case("--unlabelled is nowhere", _pairs("--unlabelled", "nowhere"), ("nowhere",)),
    Case("--source-data is nowhere", _pairs("--source-data", "nowhere"), ("nowhere",)),
    Case("--attributes is nowhere", _pairs("--attributes", "nowhere.csv"), ("nowhere.csv",)),
    Case("--group-column of no table", _pairs("--group-column", "g"), ("column 'g'",)),
    Case("--resume without a name", _pairs("--resume"), ("--name",)),
    Case(
        "--register without MLflow",
        _pairs("--register", "m", "--tracking-uri", "off"),
        ("register",),
    ),
    Case("--audit-labels with labels", _pairs("--audit-labels", "3"), ("audit_labels",)),
    Case("--through with labels", _pairs("--through", "bars.npz"), ("through is",)),
    Case(
        "--workers with inline",
        _pairs("--executor", "inline", "--workers", "3"),
        ("--executor inline", "not 3"),
    ),
    Case(
        "--ray-address is nowhere",
        _pairs("--executor", "ray", "--ray-address", "http://x y"),
        ("http://x y",),
    ),
    Case(
        "--ray-address without ray",
        _pairs("--ray-address", "127.0.0.1:1"),
        ("--ray-address", "--executor ray"),
    ),
]
OTHERS = _commands(
    {
        "no such command": (["fitt", "bars.npz"], ("fitt",)),
        "no such option": (["fit", "bars.npz", "--speed", "3"], ("--speed",)),
        "an option without value": (["fit", "bars.npz", "--seed"], ("--seed",)),
        "fit without target": (["fit"], ("TARGET",)),
        "rank without target": (["rank"], ("TARGET",)),
        "rank of nothing": (["rank", "nowhere"], ("nowhere",)),
        "rank estimator": (
            ["rank", "bars.npz", "--sources", "sources/catalogue.toml", "--estimator", "magic"],
            ("magic",),
        ),
        "rank device": (["rank", "bars.npz", "--device", "gpu"], ("device", "'gpu'")),
        "rank seed": (["rank", "bars.npz", "--seed", "-1"], ("seed", "got -1")),
        "rank max sources": (["rank", "bars.npz", "--max-sources", "0"], ("max-sources", "got 0")),
        "rank bad image": (["rank", "bars.npz", "--on-bad-image", "x"], ("on-bad-image", "'x'")),
        "predict without model": (["predict"], ("MODEL_DIR",)),
        "predict without images": (["predict", "model"], ("IMAGES",)),
        "predict of nothing": (["predict", "model", "nowhere"], ("nowhere",)),
        "predict model is nothing": (["predict", "nowhere", "bars.npz"], ("nowhere",)),
        "predict device": (["predict", "model", "bars.npz", "--device", "gpu"], ("gpu",)),
        "predict device 99": (
            ["predict", "model", "bars.npz", "--device", "cuda:99"],
            ("cuda:99",),
        ),
        "predict generalised": (
            ["predict", "model", "bars.npz", "--generalised"],
            ("generalised",),
        ),
        "predict explain": (["predict", "model", "bars.npz", "--explain"], ("explanations",)),
        "predict out is a folder": (
            ["predict", "model", "bars.npz", "--out", "bars"],
            ("--out bars",),
        ),
        "predict out below a file": (
            ["predict", "model", "bars.npz", "--out", "table.csv/x.csv"],
            ("table.csv",),
        ),
        "predict out in proc": (
            ["predict", "model", "bars.npz", "--out", "/proc/x.csv"],
            ("/proc/x.csv",),
        ),
        "predict out is full": (
            ["predict", "model", "bars.npz", "--out", "/dev/full"],
            ("/dev/full",),
        ),
        "compare with nothing": (["compare", "model", "nowhere", "bars.npz"], ("nowhere",)),
        "compare metric": (
            ["compare", "model", "model", "bars.npz", "--metric", "luck"],
            ("luck",),
        ),
        "compare margin": (
            ["compare", "model", "model", "bars.npz", "--margin", "nan"],
            ("margin", "nan"),
        ),
        "compare negative margin": (
            ["compare", "model", "model", "bars.npz", "--margin", "-1"],
            ("margin", "got -1"),
        ),
        "compare seed": (
            ["compare", "model", "model", "bars.npz", "--seed", "-1"],
            ("seed", "-1"),
        ),
        "compare without labels": (["compare", "model", "model", "plain"], ("no labels",)),
        "distance of nothing": (["distance", "bars.npz", "nowhere"], ("nowhere",)),
        "distance measure": (
            [
                "distance",
                "bars.npz",
                "bars.npz",
                "--sources",
                "sources/catalogue.toml",
                "--measure",
                "mile",
            ],
            ("mile",),
        ),
        "layers of nothing": (["layers", "nowhere"], ("nowhere",)),
        "layers epochs": (
            ["layers", "bars.npz", "--sources", "sources/catalogue.toml", "--epochs", "0"],
            ("epochs", "got 0"),
        ),
        "layers repeats": (
            ["layers", "bars.npz", "--sources", "sources/catalogue.toml", "--repeats", "-1"],
            ("repeats", "got 10, -1"),
        ),
        "layers drawing": (
            ["layers", "bars.npz", "--sources", "sources/catalogue.toml", "--out", "x.bmpp"],
            ("x.bmpp",),
        ),
        "export of nothing": (["export", "nowhere", "x.onnx"], ("nowhere",)),
        "export below a file": (["export", "model", "table.csv/x.onnx"], ("table.csv",)),
        "export to a folder": (["export", "model", "bars"], ("bars is no file",)),
        "show of nothing": (["show", "nowhere"], ("nowhere",)),
        "show of a file": (["show", "table.csv"], ("table.csv",)),
        "show of a folder without a fit": (["show", "bars"], ("bars holds",)),
        "sync of no study": (["sync", "nobody"], ("nobody",)),
        "sync storage": (["sync", "--storage", "foo://x"], ("foo://x",)),
        "sources of nothing": (["sources", "--sources", "nowhere.toml"], ("nowhere.toml",)),
        "sources source": (
            ["sources", "--sources", "sources/catalogue.toml", "--source", "nobody"],
            ("nobody",),
        ),
        "sources on without check": (["sources", "--on", "bars.npz"], ("--check",)),
        "sources on nothing": (
            [
                "sources",
                "--sources",
                "sources/catalogue.toml",
                "--check",
                "--on",
                "nowhere",
            ],
            ("nowhere",),
        ),
        "plugins check": (["plugins", "--check", "nobody"], ("nobody",)),
        "spaces plugin": (["spaces", "--plugin", "absent.py"], ("absent.py",)),
        "ui of a folder without runs": (["ui", "--workspace", "bars"], ("bars", "--workspace")),
        "ui of nothing": (["ui", "--workspace", "nowhere"], ("nowhere",)),
        "ui port": (["ui", "--workspace", "bars", "--port", "99999"], ("99999",)),
        "ui on a server": (
            ["ui", "--tracking-uri", "http://127.0.0.1:9"],
            ("http://127.0.0.1:9",),
        ),
        "demo trials": (["demo", "--trials", "-1"], ("trials", "got -1")),
        "demo seed": (["demo", "--seed", "-1"], ("seed", "got -1")),
    }
)
CASES: list[Case] = [*NUMBERS, *NO_NUMBERS, *WORDS, *NAMES, *STORAGES, *PLACES, *OTHERS]
