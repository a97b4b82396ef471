"""Texts as people have them, and one line for what cannot be used."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autotransfer.data.modality import Modality
from autotransfer.data.target import open_images, open_target
from autotransfer.errors import InvalidTargetError

ROWS = [("a good song", "music"), ("the ball", "sport"), ("a tune", "music"), ("a goal", "sport")]


def _texts(target: Any, **options: Any) -> list[tuple[str, str]]:
    opened = open_target(target, **options)
    assert opened.train.modality is Modality.TEXT
    names = opened.class_names
    return [(opened.train[i], names[opened.train.labels[i]]) for i in range(len(opened.train))]


def _csv(path: Path, separator: str = ",") -> Path:
    lines = [f"text{separator}label", *(f"{t}{separator}{k}" for t, k in ROWS)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _json_lines(path: Path) -> Path:
    lines = [json.dumps({"sentence": t, "label": k}) for t, k in ROWS]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _parquet(path: Path) -> Path:
    pd.DataFrame(ROWS, columns=["text", "label"]).to_parquet(path)
    return path


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("t.csv", _csv),
        ("t.tsv", lambda path: _csv(path, "\t")),
        ("t.jsonl", _json_lines),
        ("t.parquet", _parquet),
    ],
)
def test_a_table_with_a_column_of_texts_is_a_target_in_the_order_of_its_rows(
    name: str, write: Callable[[Path], Path], tmp_path: Path
) -> None:
    assert _texts(write(tmp_path / name)) == ROWS


def test_lists_columns_frames_and_datasets_of_hugging_face_are_targets() -> None:
    hugging = pytest.importorskip("datasets")
    texts, labels = [list(part) for part in zip(*ROWS, strict=True)]
    assert _texts((texts, labels)) == ROWS
    assert _texts((np.array(texts), labels)) == ROWS
    assert _texts((pd.Series(texts), labels)) == ROWS
    assert _texts(pd.DataFrame(ROWS, columns=["text", "label"])) == ROWS
    numbers = {"text": texts, "label": [0, 1, 0, 1]}
    kinds = hugging.Features(
        text=hugging.Value("string"), label=hugging.ClassLabel(names=["music", "sport"])
    )
    assert _texts(hugging.Dataset.from_dict(numbers, features=kinds)) == ROWS


def test_class_folders_of_txt_are_a_target_in_a_folder_or_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        for i, (text, label) in enumerate(ROWS):
            file = tmp_path / "t" / label / f"{i}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-16")  # whose mark says so
            archive.write(file, f"{label}/{i}.txt")
    wanted = sorted(ROWS, key=lambda row: row[1])
    assert _texts(tmp_path / "t") == _texts(tmp_path / "t.zip") == wanted


def test_splits_and_groups_of_a_table_are_kept(tmp_path: Path) -> None:
    table = pd.DataFrame(ROWS * 2, columns=["text", "label"])
    table["split"], table["speaker"] = ["train"] * 4 + ["test"] * 4, list("aabbccdd")
    table.to_csv(tmp_path / "t.csv", index=False)
    opened = open_target(tmp_path / "t.csv", group_column="speaker")
    assert (opened.groups, opened.held_out_groups) == (tuple("aabb"), tuple("ccdd"))
    assert "4 text(s) of the held-out test are also in training" in opened.notes


def test_a_table_with_images_and_texts_is_one_of_images_unless_asked(tmp_path: Path) -> None:
    table = pd.DataFrame([(f"{t}.png", t, k) for t, k in ROWS], columns=["image", "text", "label"])
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InvalidTargetError, match="4 image"):
        open_target(tmp_path / "t.csv")
    assert _texts(tmp_path / "t.csv", modality=Modality.TEXT) == ROWS


def test_paths_of_images_stay_paths() -> None:
    with pytest.raises(InvalidTargetError, match=r"a b\.png: there is no such file"):
        open_target((["a b.png", "c d.png"], ["x", "y"]), minimum_per_class=1)


def test_texts_to_predict_come_row_by_row_again_and_again(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text\nb\na\nb\n", encoding="utf-8")
    found = open_images(tmp_path / "t.csv", modality=Modality.TEXT)
    assert [found[i] for i in range(3)] == ["b", "a", "b"]
    assert found.names == ("row 1", "row 2", "row 3")
    assert found.digests[0] == found.digests[2] != found.digests[1]
    words = open_images(["one", "two"], modality=Modality.TEXT)
    assert [words[0], words[1]] == ["one", "two"]


GOOD = "text,label\n" + "".join(f"{text},{label}\n" for text, label in ROWS)
BAD: dict[str, tuple[bytes, str]] = {
    "an empty text": (f"{GOOD},music\n".encode(), r"1 text\(s\) cannot be used.*row 5: empty"),
    "a blank text": (f"{GOOD}   ,music\n".encode(), "row 5: empty"),
    "a NUL in a text": (b"text,label\na\0b,music\n", "NUL"),
    "no label": (f"{GOOD}a,\n".encode(), "'label' is empty for row 5"),
    "one class": (b"text,label\na,x\nb,x\n", "there is one class"),
    "one text of a class": (
        b"text,label\na,x\nb,x\nc,y\n",
        "too few training texts: class 'y' has 1",
    ),
    "no text column": (b"words,label\na,x\n", "no column 'image'; it has 'words', 'label'"),
    "two text columns": (b"sentence,query,label\na,b,x\n", "could each be the column 'text'"),
    "another encoding": ("text,label\ncaf\xe9,x\n".encode("latin-1"), "line 2 is no UTF-8"),
    "no rows": (b"text,label\n", "the table has no rows"),
    "nothing": (b"", "it is empty"),
    "an unknown split": (b"text,label,split\na,x,later\n", "unknown split 'later'"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_table_that_cannot_be_used_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    content, reason = BAD[name]
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InvalidTargetError) as refused:
        open_target(tmp_path / "t.csv")
    assert re.search(reason, str(refused.value).replace("\n", " "))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"text": "a", "label": "x"}\nno json\n', "line 2 is no JSON"),
        ('{"text": "a", "label": "x"}\n[1]\n', "line 2 is a list, not an object"),
        ('{"words": "a", "label": "x"}\n', "no column 'image'"),
        ('{"text": 3, "label": "x"}\n{"text": "b", "label": "x"}\n', "row 1: a int, not a text"),
        ('{"text": null, "label": "x"}\n{"text": "b", "label": "x"}\n', "row 1: empty"),
    ],
)
def test_json_lines_that_cannot_be_used_are_refused_with_the_line(
    content: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "t.jsonl").write_text(content, encoding="utf-8")
    with pytest.raises(InvalidTargetError, match=reason):
        open_target(tmp_path / "t.jsonl", minimum_per_class=1)


def test_a_file_in_another_encoding_is_named_and_can_be_left_out(tmp_path: Path) -> None:
    for i, (text, label) in enumerate(ROWS):
        file = tmp_path / label / f"{i}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (tmp_path / "music" / "z.txt").write_bytes("caf\xe9".encode("latin-1"))
    with pytest.raises(InvalidTargetError, match=r"z\.txt: line 1 is no UTF-8; save it in UTF-8"):
        open_target(tmp_path)
    opened = open_target(tmp_path, on_bad_image="skip")
    assert len(opened.train) == 4
    assert opened.notes[-1].startswith("1 text(s) cannot be used and were left out: music/z.txt")


def test_items_of_another_kind_than_asked_for_are_refused() -> None:
    pixels = np.zeros((4, 8, 8, 3), dtype=np.uint8)
    with pytest.raises(InvalidTargetError, match="the items are images, and texts were asked"):
        open_target((pixels, [0, 0, 1, 1]), modality=Modality.TEXT)


def test_a_document_of_a_table_may_be_long(tmp_path: Path) -> None:
    before, long = csv.field_size_limit(), "word " * 40_000
    _csv(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open("a", encoding="utf-8") as file:
        file.write(f"\n{long},music")
    assert _texts(tmp_path / "t.csv")[-1] == (long, "music")
    assert csv.field_size_limit() == before
