from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import autotransfer
from autotransfer.cli import run
from autotransfer.errors import InvalidOptionError, InvalidTargetError
from autotransfer.plugin.testing import shapes
from autotransfer.selection.selection import Selection

pytestmark = [
    pytest.mark.usefixtures("brief_report"),
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]


@pytest.fixture(scope="module")
def saved(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good model, and the same one with two classes mistaken for one another."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOTRANSFER_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        good = autotransfer.fit(
            written / "bars.npz",
            sources=written / "sources" / "catalogue.toml",
            budget=autotransfer.Budget(trials=1),
            strategies=("feature-extraction",),
            out=folder / "saved" / "good",
            name="good",
            tracking_uri="off",
        )
    names = good.class_names
    swapped = (names[1], names[0], names[2])
    bad = Selection(replace(good.record, class_names=swapped), good.kept)
    return bad.save(folder / "saved" / "bad").parent


@pytest.fixture
def models(saved: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Return copies of both."""
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    return tmp_path / "good", tmp_path / "bad"


def _new_pictures(folder: Path, names: tuple[str, ...] = ("0", "1", "2")) -> Path:
    images = shapes(3, 12, seed=77)
    for i in range(len(images)):
        place = folder / names[images.labels[i]]
        place.mkdir(parents=True, exist_ok=True)
        images[i].save(place / f"{i:03d}.png")
    return folder


def test_the_better_model_is_named_with_its_interval(
    models: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = _new_pictures(tmp_path / "new")
    found = autotransfer.compare_models(*models, pictures)
    assert found.decision == "positive"
    assert found.scores[0] - found.scores[1] == pytest.approx(found.gap.value)
    assert found.gap.low > 0.3  # two classes of three are mistaken
    assert found.sentence.startswith("good: +")
    assert "points over bad (95 % " in found.sentence
    assert found.sentence.endswith("36 labelled images)")
    assert (found.left_out, found.looks) == (0, 1)
    capsys.readouterr()
    code = run(["compare", *(str(m) for m in models[::-1]), str(pictures), "--json"])
    assert code == 0
    other_way = json.loads(capsys.readouterr().out)
    assert other_way["decision"] == "negative"
    assert other_way["gap"]["value"] == pytest.approx(-found.gap.value)
    assert other_way["sentence"].startswith("bad: -")
    assert " points against good (95 % -" in other_way["sentence"]


def test_a_model_against_itself_is_neutral(models: tuple[Path, Path], tmp_path: Path) -> None:
    found = autotransfer.compare_models(models[0], models[0], _new_pictures(tmp_path / "new"))
    assert found.decision == "neutral"
    assert (found.gap.low, found.gap.high) == (0, 0)


def test_pictures_that_a_model_has_learnt_from_are_left_out(
    models: tuple[Path, Path], target: Path
) -> None:
    with np.load(target) as stored:
        train = stored["x_train"], stored["y_train"].astype(str)
        both = (
            np.concatenate([stored["x_train"], stored["x_test"]]),
            np.concatenate([stored["y_train"], stored["y_test"]]).astype(str),
        )
    with pytest.raises(InvalidTargetError, match="learnt from all 36"):
        autotransfer.compare_models(*models, train)
    found = autotransfer.compare_models(*models, both)
    assert (found.left_out, found.gap.n) == (36, 30)


def test_models_or_pictures_of_other_classes_are_refused(
    models: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = _new_pictures(tmp_path / "other", ("0", "1", "zebra"))
    with pytest.raises(InvalidTargetError, match="know no class zebra"):
        autotransfer.compare_models(*models, other)
    with pytest.raises(InvalidOptionError, match="no saved selection"):
        autotransfer.compare_models(models[0], tmp_path, other)
    assert run(["compare", str(models[0]), str(tmp_path / "nothing"), str(other)]) == 2
    assert "no saved selection" in capsys.readouterr().err
