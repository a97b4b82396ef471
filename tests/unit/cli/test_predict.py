"""Every answer beside the image and the class that it is of, in each form of the output."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import autotransfer
from autotransfer.cli import run
from autotransfer.data.image_set import ImageSet
from autotransfer.models.predictors.baselines import MAJORITY
from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.results import Record
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.selection.selection import Selection

CLASSES = ("wasp", "ant", "bee")  # as the columns are; in no other order
SHADES = {"b/2.png": 0, "a/9.png": 1, "c.png": 2, "a/10.png": 1}  # name: class


def _by_shade(_self: object, images: ImageSet, _features: object) -> NDArray[np.float64]:
    """Give seven tenths to the class that the shade of an image says, two to the next one."""
    shades = [int(np.asarray(images[i])[0, 0, 0]) // 100 for i in range(len(images))]
    return np.array([np.roll([0.7, 0.2, 0.1], shade) for shade in shades])


@pytest.fixture
def model(
    tmp_path: Path, make_record: Callable[..., Record], monkeypatch: pytest.MonkeyPatch
) -> str:
    """A saved selection that tells classes by shades, and the images in the folder `shades`."""
    for name, shade in SHADES.items():
        path = tmp_path / "shades" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (100 * shade,) * 3).save(path)
    kept = Checkpoint(MajorityPredictor(np.ones(3) / 3), MAJORITY, baseline=True, source=None)
    record = replace(make_record(), class_names=CLASSES)
    Selection(record, kept).save(tmp_path / "model")
    monkeypatch.setattr(MajorityPredictor, "predict", _by_shade)
    return "model"


def _expected(shade: int) -> dict[str, float]:
    return {CLASSES[(shade + i) % 3]: share for i, share in enumerate((0.7, 0.2, 0.1))}


def test_json_has_the_class_and_each_probability_under_its_own_name(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", model, "shades", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["predictions"]
    assert [row["image"] for row in rows] == sorted(SHADES)
    for row in rows:
        shade = SHADES[row["image"]]
        assert row["class"] == CLASSES[shade]
        assert row["probability"] == pytest.approx(0.7)
        assert row["probabilities"] == pytest.approx(_expected(shade))


def test_the_table_has_each_probability_below_its_own_class(model: str) -> None:
    assert run(["predict", model, "shades", "--out", "answers.csv"]) == 0
    with Path("answers.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["image"] for row in rows] == sorted(SHADES)
    for row in rows:
        shade = SHADES[row["image"]]
        assert row["class"] == CLASSES[shade]
        shares = {name: float(row[name]) for name in CLASSES}
        assert shares == pytest.approx(_expected(shade))


def test_python_names_the_class_of_the_highest_column(model: str) -> None:
    selection = autotransfer.load(model)
    pictures = np.stack([np.full((8, 8, 3), 100 * shade, dtype=np.uint8) for shade in (2, 0, 1)])
    assert selection.class_names == CLASSES
    assert selection.predict(pictures).tolist() == ["bee", "wasp", "ant"]
    columns = selection.predict_proba(pictures).argmax(axis=1)
    assert columns.tolist() == [2, 0, 1]
