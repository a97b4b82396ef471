"""Options that mean nothing, or name what is not there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.hostile.place import Case, Place


def _option(option: str, value: str, word: str = "") -> Case:
    def make(place: Place) -> list[str]:
        return place.fit(option, value)

    shown = value if len(value) < 30 else f"{value[:20]}-{len(value)}-long"
    return Case(f"fit {option} {shown!r}", make, (word or value or option.lstrip("-"),))


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
    _option(option, value)
    for option, values in {
        "--seed": ("-1", "99999999999999999999999", str(2**32), "1.5", "x", ""),
        "--trials": ("0", "-1", "many", "1.5", "nan", ""),
        "--seconds": ("0", "-3", "nan", "inf", "x", "-inf", ""),
        "--margin": ("-1", "nan", "inf", "x"),
        "--max-mb": ("0", "-5", "nan", "x"),
        "--max-ms": ("0", "-5", "nan", "x"),
        "--max-sources": ("0", "-1", "1.5", "x"),
        "--memory": ("0", "-1", "nan", "x"),
        "--workers": ("0", "-2", "x", "1.5", "100000000"),
    }.items()
    for value in values
]
WORDS = [
    _option(option, value)
    for option, values in {
        "--strategy": ("magic", "", "Feature-Extraction ", "../x"),
        "--source": ("nobody", ""),
        "--space": ("endless", ""),
        "--metric": ("luck", "", "Accuracy"),
        "--sampler": ("dice", ""),
        "--scenario": ("sideways", "", "labeled"),
        "--device": ("abacus", "gpu", "cuda:99", "", "cpu:x", "meta"),
        "--on-bad-image": ("cry", ""),
        "--executor": ("threads", "nosuch", ""),
        "--plugin": ("absent.py", "nowhere/at/all.py"),
        "--unlabelled": ("nowhere",),
        "--source-data": ("nowhere",),
        "--attributes": ("nowhere.csv",),
        "--group-column": ("g",),
    }.items()
    for value in values
]
LONG = "x" * 300
NAMES = (
    [
        _option("--name", value, word)
        for value, word in {
            "": "name",
            ".": ".",
            "..": "..",
            "../escape": "../escape",
            "/absolute": "/absolute",
            "a/b": "a/b",
            "a\\b": "a\\",
            "a\nb": "name",
            LONG: "name",
            "bad\udcff": "name",
            " ": "name",
            "a\x1bb": "name",
        }.items()
    ]
    + [
        _option("--experiment", value, "experiment")
        for value in ("", "a\nb", "e" * 5000, "bad\udcff")
    ]
    + [_option("--register", value, "register") for value in ("", "team/model", "a:b", "a\nb")]
)
STORAGES = [
    _option("--storage", value, word)
    for value, word in {
        "nonsense": "nonsense",
        "": "storage",
        "foo://x/y": "foo",
        "sqlite:////proc/none/x.db": "/proc/none",
        "postgresql://user:pw@127.0.0.1:abc/x": "abc",
        "mysql://user@127.0.0.1:1/x": "mysql",
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
    Case("fit --out is a file", _occupied("f", b"x", "--out", "f"), ("f",)),
    Case("fit --out below a file", _occupied("f", b"x", "--out", "f/g"), ("f",)),
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
        ("d",),
    ),
    Case("--source-data is a pipe", _fifo("--source-data"), ("pipe",)),
    Case("--unlabelled is a pipe", _fifo("--unlabelled"), ("pipe",)),
    Case("--space is a pipe", _fifo("--space"), ("pipe",)),
    Case("--plugin is a pipe", _fifo("--plugin"), ("pipe",)),
    Case("--space is a folder", _occupied("s.toml", None, "--space", "s.toml"), ("s.toml",)),
    Case("--plugin is a folder", _occupied("p.py", None, "--plugin", "p.py"), ("p.py",)),
    Case("--resume without a name", _pairs("--resume"), ("--name",)),
    Case(
        "--register without MLflow",
        _pairs("--register", "m", "--tracking-uri", "off"),
        ("register",),
    ),
    Case("--audit-labels with labels", _pairs("--audit-labels", "3"), ("audit",)),
    Case("--through with labels", _pairs("--through", "bars.npz"), ("through",)),
    Case("--max-ms not a size", _pairs("--max-ms", "5ms"), ("5ms",)),
    Case("--workers with inline", _pairs("--executor", "inline", "--workers", "3"), ("inline",)),
    Case(
        "--ray-address is nowhere",
        _pairs("--executor", "ray", "--ray-address", "http://x y"),
        ("http://x y",),
    ),
    Case("--ray-address without ray", _pairs("--ray-address", "127.0.0.1:1"), ("ray",)),
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
        "rank device": (["rank", "bars.npz", "--device", "gpu"], ("gpu",)),
        "rank seed": (["rank", "bars.npz", "--seed", "-1"], ("-1",)),
        "rank max sources": (["rank", "bars.npz", "--max-sources", "0"], ("0",)),
        "rank bad image": (["rank", "bars.npz", "--on-bad-image", "x"], ("x",)),
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
        "predict out is a folder": (["predict", "model", "bars.npz", "--out", "bars"], ("bars",)),
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
        "compare margin": (["compare", "model", "model", "bars.npz", "--margin", "nan"], ("nan",)),
        "compare negative margin": (
            ["compare", "model", "model", "bars.npz", "--margin", "-1"],
            ("-1",),
        ),
        "compare seed": (["compare", "model", "model", "bars.npz", "--seed", "-1"], ("-1",)),
        "compare without labels": (["compare", "model", "model", "plain"], ("labels",)),
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
            ("0", "epochs"),
        ),
        "layers repeats": (
            ["layers", "bars.npz", "--sources", "sources/catalogue.toml", "--repeats", "-1"],
            ("-1", "repeats"),
        ),
        "layers drawing": (
            ["layers", "bars.npz", "--sources", "sources/catalogue.toml", "--out", "x.bmpp"],
            ("x.bmpp",),
        ),
        "export of nothing": (["export", "nowhere", "x.onnx"], ("nowhere",)),
        "export below a file": (["export", "model", "table.csv/x.onnx"], ("table.csv",)),
        "export to a folder": (["export", "model", "bars"], ("bars",)),
        "show of nothing": (["show", "nowhere"], ("nowhere",)),
        "show of a file": (["show", "table.csv"], ("table.csv",)),
        "show of a folder without a fit": (["show", "bars"], ("bars",)),
        "sync of no study": (["sync", "nobody"], ("nobody",)),
        "sync storage": (["sync", "--storage", "foo://x"], ("foo",)),
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
        "ui on a server": (["ui", "--tracking-uri", "http://127.0.0.1:9"], ("http",)),
        "demo seconds": (["demo", "--seconds", "-1"], ("-1",)),
        "demo seed": (["demo", "--seed", "-1"], ("-1",)),
    }
)
CASES: list[Case] = [*NUMBERS, *WORDS, *NAMES, *STORAGES, *PLACES, *OTHERS]
