"""What an earlier version answered is answered still, and what it left on disk is read still.

`tests/frozen/freeze.py` made the records, selections, study and logged model that are looked at
here. With AUTOTRANSFER_EXACT=1 numbers have to be the same to 1e-12, which they are on one
machine with the same libraries.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import autotransfer
from autotransfer.search.record_file import _upgraded
from tests.frozen import freeze

pytestmark = [
    pytest.mark.usefixtures("brief_report"),
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    pytest.mark.filterwarnings("ignore::autotransfer.errors.AutotransferWarning"),
]

TOLERANCE = 1e-12 if os.environ.get("AUTOTRANSFER_EXACT") == "1" else 1e-4
SLOW = ("labelled", "out-of-fold")  # more than five seconds


# Words of sentences and those that took their place; an image is an item, too.
WORDS = {
    "sealed pictures": "held-out items",
    "sealed test": "held-out test",
    "setting": "scenario",
    "scenario described": "scenario zero-shot",
    "pictures": "items",
    "picture": "item",
    "images": "items",
    "image": "item",
}


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _in_words_of_today(frozen: Any) -> Any:
    """Return a record of the version before as today's says the same."""
    return _reworded(_upgraded(frozen))


def _reworded(values: Any) -> Any:
    if isinstance(values, dict):
        return {key: _reworded(value) for key, value in values.items()}
    if isinstance(values, list):
        return [_reworded(value) for value in values]
    if isinstance(values, str):
        for before, after in WORDS.items():
            values = values.replace(before, after)
        return _figures_first(values)
    return values


def _figures_first(sentence: str) -> str:
    """Return the sentence of a verdict in today's order."""
    hurts, opened = "transfer hurts: ", "open: "
    if sentence.startswith(hurts):
        return f"{sentence.removeprefix(hurts)}: transfer hurts"
    if sentence.startswith(opened):
        return sentence.removeprefix(opened).replace("); so many", "): open; so many")
    return sentence


def differences(frozen: Any, found: Any, tolerance: float, path: str = "") -> list[str]:
    """Return "where: what was frozen -> what was found" of all that differs in two JSON values."""
    if isinstance(frozen, dict) and isinstance(found, dict):
        missing = [f"{path}.{key}: no longer there" for key in frozen if key not in found]
        added = [f"{path}.{key}: was not there" for key in found if key not in frozen]
        both = [key for key in frozen if key in found]
        deeper = [differences(frozen[k], found[k], tolerance, f"{path}.{k}") for k in both]
        return [*missing, *added, *chain(*deeper)]
    if isinstance(frozen, list) and isinstance(found, list):
        pairs = enumerate(zip(frozen, found, strict=False))
        deeper = [differences(a, b, tolerance, f"{path}[{i}]") for i, (a, b) in pairs]
        other = [f"{path}: {len(frozen)} entries -> {len(found)}"]
        return [*(other if len(frozen) != len(found) else []), *chain(*deeper)]
    return [] if _same(frozen, found, tolerance) else [f"{path}: {frozen!r} -> {found!r}"]


def _same(frozen: Any, found: Any, tolerance: float) -> bool:
    if isinstance(frozen, float) and isinstance(found, float):
        both_undefined = math.isnan(frozen) and math.isnan(found)
        return both_undefined or frozen == found or abs(frozen - found) <= tolerance
    return type(frozen) is type(found) and bool(frozen == found)


def _assert_same(frozen: Any, found: Any, tolerance: float = TOLERANCE) -> None:
    different = differences(frozen, found, tolerance)
    assert not different, "\n".join(["differs from what is frozen:", *different])


def test_every_difference_is_named_with_its_place() -> None:
    frozen = {"a": [1.0, {"b": "x"}], "c": None, "d": float("nan"), "e": 1}
    found = {"a": [1.00001, {"b": "y"}, 3], "c": 0.0, "d": float("nan"), "f": 1}
    assert differences(frozen, found, 1e-4) == [
        ".e: no longer there",
        ".f: was not there",
        ".a: 2 entries -> 3",
        ".a[1].b: 'x' -> 'y'",
        ".c: None -> 0.0",
    ]
    assert ".a[0]: 1.0 -> 1.00001" in differences(frozen, found, 0.0)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in freeze.SCENARIOS],
)
def test_a_fit_finds_what_it_found_before(name: str, tmp_path: Path) -> None:
    selection = freeze.SCENARIOS[name](tmp_path / "fit")
    frozen = _in_words_of_today(_read(freeze.RECORDS / f"{name}.json"))
    frozen.setdefault("depth")  # of images that are not deep
    frozen.setdefault("stopped")  # no search ended by itself
    found = _reworded(freeze.comparable(selection.record.model))
    if "members" not in frozen["finalist"]:  # of a finalist that was not returned: not kept then
        found["finalist"].pop("members", None)
    found.pop("open_world", None)  # what seems to be in a target without labels was not told
    _assert_same(frozen, found)


@pytest.mark.parametrize("name", freeze.KEPT)
def test_a_selection_on_disk_predicts_what_it_predicted_before(name: str) -> None:
    selection = autotransfer.load(freeze.SELECTIONS / name)
    said = selection.predict_proba(freeze.new_items(name)).tolist()
    _assert_same(_read(freeze.SELECTIONS / "predictions.json")[name], said)


@pytest.mark.parametrize("name", freeze.KEPT)
def test_a_selection_on_disk_is_saved_again_as_it_was(name: str, tmp_path: Path) -> None:
    autotransfer.load(freeze.SELECTIONS / name).save(tmp_path / name)
    before = {path.name for path in (freeze.SELECTIONS / name).iterdir()}
    assert {path.name for path in (tmp_path / name).iterdir()} == before
    for file in ("selection.json", "predictor.json", "source.json"):
        frozen, found = _read(freeze.SELECTIONS / name / file), _read(tmp_path / name / file)
        if file == "selection.json":
            frozen = _upgraded(frozen)
            frozen["depth"] = 16  # what was read before
            frozen["stopped"] = None  # no search ended by itself
            found["model"] = frozen["model"]  # the folder
        _assert_same(frozen, found, 0.0)


def test_a_half_done_study_is_resumed_and_keeps_its_outcomes(tmp_path: Path) -> None:
    shutil.copytree(freeze.STUDY, tmp_path / "workspace")
    before = _read(freeze.STUDY / freeze.HALF_DONE / "selection.json")["outcomes"]
    selection = freeze.half_done(tmp_path, 5)
    after = _read(Path(selection.record.model) / "selection.json")["outcomes"]
    _assert_same(before, after[: len(before)], 0.0)
    assert [o["number"] for o in after if o["number"] >= 0] == [0, 1, 2, 3, 4]
    assert len(after) == len(before) + 2  # no probe is made again


def test_a_logged_model_is_loaded_by_mlflow_and_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    shutil.copytree(freeze.MLFLOW_MODEL / "model", tmp_path / "model")  # its code is compiled
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    table: Any = model.predict(freeze.new_pictures())
    assert isinstance(table, pd.DataFrame)
    directions = [f"direction {label}" for label in range(3)]
    assert list(table.columns) == ["class", "probability", *directions]
    said = _read(freeze.MLFLOW_MODEL / "predictions.json")
    _assert_same(said, table[directions].astype(float).to_numpy().tolist())
    best = [directions[row.index(max(row))] for row in said]
    assert table["class"].tolist() == best
