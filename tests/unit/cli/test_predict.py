"""Every answer beside the image and the class that it is of, in each form of the output."""

from __future__ import annotations

import copy
import csv
import errno
import io
import json
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

import autotransfer
from autotransfer.cli import run
from autotransfer.cli.prediction_texts import unknown_sentence
from autotransfer.data.csv_cells import plain
from autotransfer.data.image_set import ImageSet
from autotransfer.errors import (
    AutotransferError,
    CorruptImagesError,
    DataWarning,
    InvalidOptionError,
)
from autotransfer.forecasts import Range
from autotransfer.models.open_set import OpenSet
from autotransfer.models.predictors.baselines import MAJORITY
from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.models.unknown_share import Unknown
from autotransfer.plugin.testing import tiny_source
from autotransfer.results import OpenWorld, Record, UnknownImages
from autotransfer.search.checkpoint import Checkpoint
from autotransfer.selection.predictions import Predictions
from autotransfer.selection.selection import Selection
from tests.unit.models.test_novelty import CENTRES, cloud
from tests.unit.models.test_open_set import made

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
    clash = ("image", "class", "=cmd")
    Selection(replace(record, class_names=clash), kept).save(tmp_path / "clash")
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


def test_json_is_printed_beside_a_table_in_a_file(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", model, "shades", "--json", "--out", "answers.csv"]) == 0
    rows = json.loads(capsys.readouterr().out)["predictions"]
    assert [row["image"] for row in rows] == [row[0] for row in _table()[1:]] == sorted(SHADES)


def test_python_names_the_class_of_the_highest_column(model: str) -> None:
    selection = autotransfer.load(model)
    pictures = np.stack([np.full((8, 8, 3), 100 * shade, dtype=np.uint8) for shade in (2, 0, 1)])
    assert selection.class_names == CLASSES
    assert selection.predict(pictures).tolist() == ["bee", "wasp", "ant"]
    columns = selection.predict_proba(pictures).argmax(axis=1)
    assert columns.tolist() == [2, 0, 1]


def _table(path: str = "answers.csv") -> list[list[str]]:
    with Path(path).open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def test_a_table_is_answered_row_by_row_in_its_own_order(model: str) -> None:
    rows = ["c.png", "b/2.png", "a/9.png", "c.png", "a/10.png"]
    Path("shades/rows.csv").write_text("image,label\n" + ",\n".join([*rows, ""]))
    expected = [CLASSES[SHADES[name]] for name in rows]
    selection = autotransfer.load(model)
    assert selection.predict("shades/rows.csv").tolist() == expected
    assert selection.predict_proba("shades/rows.csv").argmax(axis=1).tolist() == [
        SHADES[name] for name in rows
    ]
    table = selection.predict_table("shades/rows.csv")
    assert (table.index.name, table.index.tolist()) == ("image", rows)
    assert table["class"].tolist() == expected
    in_memory = pd.DataFrame({"image": [f"shades/{name}" for name in rows], "label": "torn"})
    assert selection.predict(in_memory).tolist() == expected
    assert list(table.columns) == ["class", "probability", *CLASSES]
    assert table[list(CLASSES)].to_numpy()[1].tolist() == pytest.approx([0.7, 0.2, 0.1])
    assert run(["predict", model, "shades/rows.csv", "--out", "answers.csv"]) == 0
    assert [row[:2] for row in _table()[1:]] == [list(p) for p in zip(rows, expected, strict=True)]


def test_no_column_is_named_twice_and_no_cell_is_a_formula(model: str) -> None:
    for name in ("=1+1.png", "+cmd.png", "-2.png", "@x.png", "'=q.png", "\t.png"):
        os.link("shades/c.png", f"shades/{name}")
    assert run(["predict", "clash", "shades", "--out", "answers.csv"]) == 0
    head, *rows = _table()
    assert head == ["image", "class", "probability", "image (class)", "class (class)", "'=cmd"]
    assert not [c for row in [head, *rows] for c in row if c[:1] in ("=", "+", "-", "@", "\t")]
    found = autotransfer.load("clash").predict_table("shades")
    assert [plain(row[0]) for row in rows] == found.index.tolist()
    assert {plain(row[1]) for row in rows} == {"image", "class", "=cmd"}


def test_bad_images_stop_a_prediction_or_are_left_out_by_name(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("shades/b/bad.png").write_text("no image")
    command = ["predict", model, "shades", "--out", "answers.csv"]
    assert run(command) == 2
    assert "--on-bad-image skip" in capsys.readouterr().err
    assert not Path("answers.csv").exists()
    assert run([*command, "--on-bad-image", "skip"]) == 0
    assert "b/bad.png: not an image" in capsys.readouterr().err
    assert [row[0] for row in _table()[1:]] == sorted(SHADES)
    assert run([*command, "--on-bad-image", "ignore"]) == 2

    selection = autotransfer.load(model)
    for predict in (selection.predict, selection.predict_proba, selection.predict_table):
        with pytest.raises(
            CorruptImagesError, match=r"predict_table\(images, on_bad_image='skip'"
        ):
            predict("shades")
    with pytest.warns(DataWarning, match="b/bad.png"):
        assert selection.predict_table("shades", on_bad_image="skip").index.tolist() == sorted(
            SHADES
        )
    with pytest.raises(CorruptImagesError, match="no other is left") as caught:
        selection.predict_table("shades/b/bad.png", on_bad_image="skip")
    assert "skip" not in str(caught.value)


def test_a_comparison_can_leave_bad_images_out(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for shade, name in enumerate(CLASSES):
        for i in range(2):
            path = Path("labelled", name, f"{i}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (100 * shade + i,) * 3).save(path)
    Path("labelled/ant/bad.png").write_text("no image")
    command = ["compare", model, model, "labelled"]
    assert run(command) == 2
    assert run([*command, "--on-bad-image", "skip"]) == 0
    assert "ant/bad.png: not an image" in capsys.readouterr().out


def _no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("out", "message"),
    [("shades", "is a folder"), ("c.png/x.csv", "exists"), ("full.csv", "No space left")],
)
def test_an_answer_that_cannot_be_written_is_one_line_and_leaves_nothing(
    model: str,
    out: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("c.png").touch()
    before = sorted(Path().iterdir())
    if out == "full.csv":
        monkeypatch.setattr(Path, "write_bytes", _no_room)
    assert run(["predict", model, "shades", "--out", out]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"autotransfer: --out {out} ")
    assert message in said
    assert said.count("\n") == 1
    assert sorted(Path().iterdir()) == before


def test_an_answer_goes_into_a_pipe_as_it_is(model: str) -> None:
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    assert run(["predict", model, "shades", "--out", "pipe"]) == 0
    assert os.read(reader, 1 << 16).startswith(b"image,class,probability,wasp,ant,bee\r\n")
    os.close(reader)
    assert Path("pipe").is_fifo()


@pytest.mark.parametrize("command", [["predict", "model", "shades"], ["--help"]])
def test_a_full_standard_output_is_one_line(
    command: list[str],
    model: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(click.utils, "_default_text_stdout", lambda: _Full())
    assert run(command) == 2
    assert "autotransfer: the output cannot be written (No space left" in capsys.readouterr().err


class _Full(io.StringIO):
    """A stream on a full disk."""

    write = flush = _no_room  # type: ignore[assignment]


def test_an_image_whose_name_is_no_utf8_is_answered(model: str) -> None:
    os.link(b"shades/c.png", b"shades/\xff.png")
    assert run(["predict", model, "shades", "--out", "answers.csv"]) == 0
    assert _table()[-1][0] == "\\xff.png"


@pytest.mark.parametrize("command", ["predict", "compare", "distance", "layers"])
def test_every_command_that_opens_images_has_the_way_out_that_the_message_names(
    model: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"predict": [model], "compare": [model, model], "distance": ["shades"], "layers": []}
    assert run([command, *given[command], "shades/b", "--on-bad-image", "ignore"]) == 2
    said = capsys.readouterr().err
    assert said == "autotransfer: on_bad_image must be one of stop, skip, got 'ignore'\n"


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "mps", "", "cuda:x"])
@pytest.mark.parametrize("command", ["predict", "compare"])
def test_a_device_that_is_not_there_is_refused_in_one_line(
    model: str, command: str, device: str, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [model, model] if command == "compare" else [model]
    assert run([command, *models, "shades", "--device", device]) == 2
    said = capsys.readouterr().err
    assert said.startswith("autotransfer: device")
    assert said.count("\n") == 1
    with pytest.raises(AutotransferError, match="device"):
        autotransfer.load(model, device=device)


def test_a_selection_is_pickled_with_all_its_files(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    selection = autotransfer.load(model)
    expected = selection.predict("shades").tolist()
    pickled = pickle.dumps(selection)
    Path(model).rename("away")
    for again in (pickle.loads(pickled), copy.deepcopy(selection), copy.copy(selection)):  # noqa: S301 - our own bytes
        assert again.predict("shades").tolist() == expected
        assert again.record.outcomes == selection.record.outcomes


def test_one_image_alone_is_answered(model: str) -> None:
    image = Image.new("RGB", (32, 32), (200,) * 3)
    assert autotransfer.load(model).predict(image).tolist() == ["bee"]


def test_what_is_rejected_is_none_of_these_and_the_least_share_is_told(
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    found = Unknown(0.25, np.array([0.0, 0.9, 0.25, 0.0]))
    rejected = np.array([False, True, False, False])
    monkeypatch.setattr(Selection, "judged_unknown", lambda *_: (found, rejected))
    assert run(["predict", model, "shades", "--abstain"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["class"] for row in rows] == ["ant", "None of these", "wasp", "bee"]
    assert [row["unknown"] for row in rows] == ["0.000000", "0.900000", "0.250000", "0.000000"]
    assert [row["abstained"] for row in rows] == ["false", "true", "false", "false"]
    assert run(["predict", model, "shades", "--abstain", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["unknown"] == {"low": 0.25, "n": 4}
    assert [row["unknown"] for row in told["predictions"]] == [0.0, 0.9, 0.25, 0.0]
    assert run(["predict", model, "shades", "--json"]) == 0
    assert "unknown" not in json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("least", "n", "said"),
    [
        (0.26, 400, "at least 26 % of the 400 images seem to be none of the classes"),
        (0.0, 400, "none of the 400 images is known to be none of the classes"),
        (0.0, 20, "20 images are too few to judge together; from 50 on"),
    ],
)
def test_the_sentence_says_what_is_known_of_the_unknown(least: float, n: int, said: str) -> None:
    assert unknown_sentence(Unknown(least, np.zeros(n))).startswith(said)


UNKNOWN = UnknownImages(Range(0.3, 0.2, 0.4), 30, 100)


@pytest.fixture
def without_labels(
    model: str, make_record: Callable[..., Record], monkeypatch: pytest.MonkeyPatch
) -> OpenSet:
    """What rejects in a saved fit without labels; the second and third image are unknown."""
    open_set, known = made(), cloud(20, 1, CENTRES)[0]
    known = known[open_set.novelty.z(known).argsort()]
    rows = np.stack([known[0], -known[0], -known[1], known[1]])
    kept = replace(autotransfer.load(model).kept, open_set=open_set)
    record = replace(make_record(), class_names=CLASSES, scenario="unlabelled")
    Selection(replace(record, open_world=OpenWorld(unknown=UNKNOWN)), kept).save(Path(model))
    monkeypatch.setattr(Predictions, "_readers", _Reader(rows))
    return open_set


class _Reader:
    def __init__(self, rows: NDArray[np.float64]) -> None:
        self.rows = rows

    def __getitem__(self, source: object) -> Callable[[ImageSet], NDArray[np.float64]]:
        assert source == tiny_source() or getattr(source, "name", "") == "tiny"
        return lambda images: self.rows[: len(images)]


@pytest.mark.usefixtures("without_labels")
def test_a_fit_without_labels_rejects_what_it_found_to_be_unknown(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", model, "shades", "--abstain", "--json"]) == 0
    out = capsys.readouterr()
    told = json.loads(out.out)
    rows = told["predictions"]
    assert [row["abstained"] for row in rows] == [False, True, True, False]
    assert [row["class"] == "None of these" for row in rows] == [False, True, True, False]
    mean = sum(row["unknown"] for row in rows) / 4
    assert told["unknown"] == {"share": pytest.approx(mean), "rejected": 2, "n": 4}
    said = " ".join(out.err.split())
    assert "2 of the 4 images are more probably none of the classes than not" in said
    assert "of the fit: 30 % of your images seem to be none of the classes (20 % to 40 %)" in said


def test_what_rejects_is_saved_with_its_source_and_judges_alike(
    model: str, without_labels: OpenSet
) -> None:
    again = autotransfer.load(model)
    assert again.kept.open_set is not None
    assert again.kept.open_set.source == without_labels.source  # the predictor has none
    new, _ = cloud(40, 7, -CENTRES)
    before, after = without_labels.judged(new), again.kept.open_set.judged(new)
    assert after[0] == pytest.approx(before[0])
    assert (after[1] == before[1]).all()
    assert again.predict("shades", abstain=True).tolist()[1:3] == ["", ""]
    assert again.abstains("shades").tolist() == [False, True, True, False]
    with pytest.raises(InvalidOptionError, match=r"give abstain=True"):
        again.abstains("shades", 0.1)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (None, "no pretrained source has looked at the target"),
        (OpenWorld(unknown=UnknownImages(None, doubt="too strange")), "is not known: too strange"),
    ],
)
def test_a_fit_that_cannot_tell_the_unknown_refuses_to_reject_and_says_why(
    model: str,
    make_record: Callable[..., Record],
    seen: OpenWorld | None,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = replace(make_record(), class_names=CLASSES, scenario="unlabelled", open_world=seen)
    Selection(record, autotransfer.load(model).kept).save(Path(model))
    assert run(["predict", model, "shades", "--abstain"]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
