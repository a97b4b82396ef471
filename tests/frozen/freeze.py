"""Makes what is frozen: small fits with fixed seeds, and what they leave behind.

    export OMP_NUM_THREADS=1
    python -m tests.frozen.freeze            # everything
    python -m tests.frozen.freeze labelled   # the record of one scenario

The records, selections, the study and the logged model below this folder are what the version
that wrote them produces; `tests/end_to_end/test_frozen.py` holds later versions against them.
Write a record again only where a change of the answers is wanted, and say so in the commit. The
selections, the study and the logged model stand for what users have on disk: they are never
written again, but joined by newer ones.

Only `import autotransfer` is used, no module of it by name, so that modules can move. Pictures
and weights are made of whole numbers: they are the same on every machine.

What a record lacks: `seconds` and `elapsed` are the clock's, `model` is a folder of this machine,
`run_id` is drawn by MLflow. All else is the same to the last bit on one machine, with one thread
(two add up in another order) and an empty cache. With a cache that is filled, the scenario without
target labels differs by less than 1e-7 in some scores; the others do not.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

import autotransfer

HERE = Path(__file__).resolve().parent
RECORDS, SELECTIONS = HERE / "records", HERE / "selection"
STUDY, MLFLOW_MODEL = HERE / "study", HERE / "mlflow_model"
HALF_DONE = "half-done"  # name of the study

SIDE = 32
UNIT = 64  # a bar and its gap, in the steps of a direction
# (across, down) steps of the bars of each class; all about as wide
DIRECTIONS = ((16, 0), (15, 6), (11, 11), (6, 15), (0, 16), (-6, 15), (-11, 11), (-15, 6))
NETWORK = {"channels": [8, 8, 8, 16], "stem_width": 8}  # of timm's test_resnet, 60 kB
LEFT_OUT = frozenset({"seconds", "elapsed", "model", "run_id"})
OVERTONES = ("cosine", "sine", "second cosine", "second sine")

Pictures = tuple[NDArray[np.uint8], list[str]]
Record = dict[str, Any]

FEW_STEPS = """
description = "Few steps"
[adabn]
effort = {low = 0.02, high = 0.1, default = 0.02}
[deep-coral]
effort = {low = 0.02, high = 0.1, default = 0.02}
[source-only]
effort = {low = 0.02, high = 0.1, default = 0.1}
[fine-tune]
depth = {low = 0.5, high = 1.0}
epochs = {low = 2, high = 4}
"""


def bars(
    num_classes: int, per_class: int, seed: int, *, noise: int = 110, between: bool = False
) -> Pictures:
    """Return pictures (n, 32, 32, 3) of bars, and the name of the direction of each.

    Args:
        num_classes: Number of directions.
        per_class: Pictures of each.
        seed: Moves the bars and draws the noise.
        noise: Largest change of a pixel.
        between: Whether the bars lie half-way to the next direction.
    """
    rng = np.random.default_rng(seed)
    down, across = np.indices((SIDE, SIDE))
    pixels, names = [], []
    for label in range(num_classes):
        x, y = DIRECTIONS[label]
        if between:
            x, y = (a + b for a, b in zip((x, y), DIRECTIONS[label + 1], strict=True))
        steps = (x * across + y * down) // (2 if between else 1)
        for _ in range(per_class):
            wave = (steps + rng.integers(UNIT)) % UNIT
            triangle = 64 + 4 * np.minimum(wave, UNIT - wave)  # 64 to 192
            noisy = triangle[..., None] + rng.integers(-noise, noise + 1, (SIDE, SIDE, 3))
            pixels.append(np.clip(noisy, 0, 255).astype(np.uint8))
            names.append(f"between {label} and {label + 1}" if between else f"direction {label}")
    return np.stack(pixels), names


def new_pictures() -> NDArray[np.uint8]:
    """Return the six pictures that are predicted: two of each of three directions."""
    return bars(3, 2, seed=77)[0]


def new_items(name: str) -> Any:
    """Return what a frozen selection predicts: pictures, or features where it reads those."""
    return words(6, 2)[0] if name == "ensemble" else new_pictures()


def write_target(path: Path, train: Pictures, test: Pictures | None = None) -> Path:
    """Write an `.npz` target with a test split or without; return its path."""
    arrays: dict[str, Any] = {"x_train": train[0], "y_train": np.array(train[1])}
    if test is not None:
        arrays |= {"x_test": test[0], "y_test": np.array(test[1])}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


def write_catalogue(folder: Path, count: int = 3) -> Path:
    """Write tiny networks with random weights and their catalogue; return its path.

    The last one has a head of five classes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for number in range(count):
        kwargs = {**NETWORK, "num_classes": 5 if number == count - 1 else 0}
        network = timm.create_model("test_resnet", pretrained=False, **kwargs)
        rng = np.random.default_rng(number)
        weights = {name: _drawn(t, rng) for name, t in sorted(network.state_dict().items())}
        if "fc.bias" in weights:
            weights["fc.bias"] = torch.zeros(5)
        save_file(weights, folder / f"tiny-{number}.safetensors")
        table = ", ".join(f"{key} = {value}" for key, value in kwargs.items())
        entries.append(
            f'[[source]]\nname = "tiny-{number}"\narchitecture = "test_resnet"\n'
            f'weights = "tiny-{number}.safetensors"\nkwargs = {{ {table} }}\n'
            'input_size = 32\nlicense = "Apache-2.0"\n'
        )
    (folder / "catalogue.toml").write_text("\n".join(entries), encoding="utf-8")
    return folder / "catalogue.toml"


def _drawn(tensor: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return random weights of a tensor's shape; statistics and scales of layers stay."""
    if tensor.ndim < 2:
        return tensor
    whole = rng.integers(-(1 << 15), 1 << 15, tuple(tensor.shape))
    scale = math.sqrt(6 / math.prod(tensor.shape[1:])) / (1 << 15)
    return torch.from_numpy((whole * scale).astype(np.float32))


def _fit(folder: Path, target: Any, **options: Any) -> autotransfer.Selection:
    folder.mkdir(parents=True, exist_ok=True)
    space = folder / "few-steps.toml"
    space.write_text(FEW_STEPS, encoding="utf-8")
    settings: dict[str, Any] = {
        "workspace": folder,
        "name": "frozen",
        "space": str(space),
        "tracking_uri": "off",
        "device": "cpu",
        "seed": 0,
    }
    return autotransfer.fit(target, **(settings | options))


def labelled(folder: Path) -> autotransfer.Selection:
    """Fit labelled pictures with a test split: two of three sources, heads and fine-tuning."""
    target = write_target(folder / "bars.npz", bars(3, 14, seed=1), bars(3, 10, seed=2))
    return _fit(
        folder,
        target,
        sources=str(write_catalogue(folder / "sources")),
        strategies=("feature-extraction", "fine-tune"),
        max_sources=2,
        budget=autotransfer.Budget(trials=6),
    )


def out_of_fold(folder: Path) -> autotransfer.Selection:
    """Fit labelled pictures without a test split: every picture is tested out of fold."""
    target = write_target(folder / "bars.npz", bars(3, 14, seed=3))
    return _fit(
        folder,
        target,
        sources=str(write_catalogue(folder / "sources", 2)),
        strategies=("feature-extraction",),
        metric="balanced_accuracy",
        budget=autotransfer.Budget(trials=3),
    )


def words(n: int, seed: int) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.str_]]:
    """Return features of n made-up texts of three topics by four sources, and the topics."""
    rng = np.random.default_rng(seed)
    topic = np.arange(n) % 3
    means = np.random.default_rng(99).integers(-9, 10, (3, 20))
    features = {
        "embedding": (means[topic] + rng.integers(-16, 17, (n, 20))) / 8,
        "noise": rng.integers(-16, 17, (n, 30)) / 8,
        "other noise": rng.integers(-16, 17, (n, 10)) / 8,
        "counts": rng.integers(0, 4, (n, 15)) + topic[:, None] / 4,
    }
    return features, np.array(["sport", "music", "law"])[topic]


def precomputed(folder: Path) -> autotransfer.Selection:
    """Fit features instead of pictures, one matrix of which is the baseline."""
    features, topics = words(150, 0)
    return autotransfer.fit_features(
        features,
        topics,
        test=words(90, 1),
        baseline="counts",
        budget=autotransfer.Budget(trials=5),
        workspace=folder,
        name="frozen",
        tracking_uri="off",
        device="cpu",
        seed=0,
    )


def unlabelled(folder: Path, **options: Any) -> autotransfer.Selection:
    """Fit darker pictures without labels, with source pictures that have some."""
    target = bars(3, 20, seed=5, noise=60)[0] // 2
    return _fit(
        folder,
        target,
        source_data=bars(3, 20, seed=4, noise=60),
        sources=str(write_catalogue(folder / "sources", 1)),
        strategies=("source-only", "adabn", "deep-coral"),
        budget=autotransfer.Budget(trials=4),
        **options,
    )


def described(folder: Path, **options: Any) -> autotransfer.Selection:
    """Fit classes with attributes, two of which have no pictures to learn from."""
    table = {}
    for label, (x, y) in enumerate(DIRECTIONS):
        table[f"direction {label}"] = _overtones(x, y)
    for label in range(2):
        (a, b), (c, d) = DIRECTIONS[label], DIRECTIONS[label + 1]
        table[f"between {label} and {label + 1}"] = _overtones(a + c, b + d)
    lines = [",".join(("class", *OVERTONES))]
    # shifted, as -1 says that a value is unknown
    lines += [",".join((name, *(f"{2 + v:.2f}" for v in row))) for name, row in table.items()]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classes.csv").write_text("\n".join(lines), encoding="utf-8")
    return _fit(
        folder,
        write_target(folder / "bars.npz", bars(8, 6, seed=6, noise=60)),
        attributes=str(folder / "classes.csv"),
        sources=str(write_catalogue(folder / "sources", 1)),
        budget=autotransfer.Budget(trials=2),
        **options,
    )


def _overtones(x: int, y: int) -> tuple[float, ...]:
    """Return cosine and sine of twice and four times the angle of a direction."""
    length = x * x + y * y
    cosine, sine = (x * x - y * y) / length, 2 * x * y / length
    return cosine, sine, cosine * cosine - sine * sine, 2 * cosine * sine


SCENARIOS: dict[str, Callable[[Path], autotransfer.Selection]] = {
    "labelled": labelled,
    "out-of-fold": out_of_fold,
    "precomputed": precomputed,
    "unlabelled": unlabelled,
    "described": described,
}


def comparable(folder: str | Path) -> Record:
    """Return the record in the folder of a selection, without what no two fits share."""
    record = json.loads((Path(folder) / "selection.json").read_text(encoding="utf-8"))
    found: Record = _without(record)
    return found


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(item) for key, item in value.items() if key not in LEFT_OUT}
    if isinstance(value, list):
        return [_without(item) for item in value]
    return value


def half_done(folder: Path, trials: int) -> autotransfer.Selection:
    """Begin the study of three trials in a folder, or resume it with more."""
    return _fit(
        folder / "workspace",
        write_target(folder / "bars.npz", bars(3, 8, seed=7), bars(3, 5, seed=8)),
        name=HALF_DONE,
        sources=str(write_catalogue(folder / "sources", 2)),
        strategies=("feature-extraction", "fine-tune"),
        budget=autotransfer.Budget(trials=trials),
        resume=True,
    )


def _transferred(folder: Path, name: str, **options: Any) -> autotransfer.Selection:
    """Return what is learnt from few pictures, untested: no baseline can be returned instead."""
    return _fit(
        folder,
        write_target(folder / "bars.npz", bars(3, 8, seed=9)),
        name=name,
        sources=str(write_catalogue(folder / "sources", 2)),
        guard=False,
        **options,
    )


def _mixture(folder: Path) -> autotransfer.Selection:
    return _transferred(
        folder,
        "mixture",
        strategies=("mixture-of-probes",),
        budget=autotransfer.Budget(trials=1),
    )


def _small_unlabelled(folder: Path) -> autotransfer.Selection:
    return unlabelled(folder, source=("tiny-0",))


def _untested_described(folder: Path) -> autotransfer.Selection:
    return described(folder, guard=False)


def _tuned(folder: Path, **options: Any) -> autotransfer.Selection:
    return _transferred(
        folder,
        "tuned",
        strategies=("fine-tune",),
        source=("tiny-0",),
        single=True,
        budget=autotransfer.Budget(trials=1),
        **options,
    )


KEPT: dict[str, Callable[[Path], autotransfer.Selection]] = {
    "mixture": _mixture,
    "tuned": _tuned,
    "baseline": labelled,
    "ensemble": precomputed,
    "unlabelled": _small_unlabelled,
    "described": _untested_described,
}
# a report is not read again, and what single trials left behind is for `--resume` alone
NOT_KEPT = shutil.ignore_patterns("report.html", "trials", "validation", ".*", "*.lock")


def freeze_record(name: str, folder: Path) -> None:
    """Write the record of a scenario."""
    write_json(RECORDS / f"{name}.json", comparable(SCENARIOS[name](folder).record.model))


def freeze_selections(folder: Path) -> None:
    """Write selections and what they say of the new pictures."""
    shutil.rmtree(SELECTIONS, ignore_errors=True)
    said = {}
    for name, make in KEPT.items():
        selection = make(folder / name)
        shutil.copytree(selection.record.model, SELECTIONS / name, ignore=NOT_KEPT)
        _forget(SELECTIONS / name / "selection.json", name)
        restored = autotransfer.load(SELECTIONS / name)  # its last bits may be others
        said[name] = restored.predict_proba(new_items(name)).tolist()
    write_json(SELECTIONS / "predictions.json", said)


def freeze_study(folder: Path) -> None:
    """Write a study of three trials that can be resumed."""
    half_done(folder, 3)
    shutil.rmtree(STUDY, ignore_errors=True)
    shutil.copytree(
        folder / "workspace",
        STUDY,
        ignore=shutil.ignore_patterns("report.html", "*.lock", ".*", "*-wal", "*-shm", "*.toml"),
    )
    _forget(STUDY / HALF_DONE / "selection.json", HALF_DONE)
    with sqlite3.connect(STUDY / "autotransfer.db") as database:
        database.execute("PRAGMA journal_mode=DELETE")
        database.execute("VACUUM")
    database.close()


def freeze_mlflow_model(folder: Path) -> None:
    """Write the folder of a model as it is logged, and what it says of the new pictures."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    _tuned(folder, tracking_uri=None)
    found = next(folder.rglob("MLmodel")).parent
    shutil.rmtree(MLFLOW_MODEL, ignore_errors=True)
    shutil.copytree(found, MLFLOW_MODEL / "model", ignore=NOT_KEPT)
    _forget(next((MLFLOW_MODEL / "model").rglob("selection.json")), "tuned")
    description = MLFLOW_MODEL / "model" / "MLmodel"
    text = description.read_text(encoding="utf-8")
    # of both paths MLflow uses no folder: the model can be moved
    text = re.sub(r"(uri|model_code_path): /.*/", r"\1: /somewhere/", text)
    description.write_text(text, encoding="utf-8")
    served = next((MLFLOW_MODEL / "model").rglob("selection.json")).parent
    said = autotransfer.load(served).predict_proba(new_pictures())
    write_json(MLFLOW_MODEL / "predictions.json", said.tolist())


def _forget(record: Path, name: str) -> None:
    """Write the name of a selection in the place of its folder on this machine."""
    content = json.loads(record.read_text(encoding="utf-8"))
    write_json(record, content | {"model": name})


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file that can be read and compared line by line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main(names: list[str]) -> None:
    """Write what is named, or everything."""
    if os.environ.get("OMP_NUM_THREADS") != "1":
        sys.exit("set OMP_NUM_THREADS=1: with more threads the last bits are others")
    parts: dict[str, Callable[[Path], None]] = {
        "selections": freeze_selections,
        "study": freeze_study,
        "mlflow-model": freeze_mlflow_model,
    }
    for name in names or [*SCENARIOS, *parts]:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["AUTOTRANSFER_CACHE"] = str(Path(folder) / "cache")
            if name in SCENARIOS:
                freeze_record(name, Path(folder) / "fit")
            else:
                parts[name](Path(folder) / "fit")
        print(f"wrote {name}")  # noqa: T201 - a script


if __name__ == "__main__":
    main(sys.argv[1:])
