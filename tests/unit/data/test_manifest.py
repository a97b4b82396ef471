from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autotransfer.data.listing import Listing
from autotransfer.data.manifest import read_manifest
from autotransfer.data.storage import open_place
from autotransfer.data.target import open_target
from autotransfer.errors import InvalidOptionError, InvalidTargetError


@pytest.fixture
def write(grow: Callable[..., Path]) -> Callable[..., Path]:
    """Write a table beside the pictures pictures/000.png to pictures/003.png."""
    folder = grow({"pictures": 4}, "data")

    def text(content: str, name: str = "list.csv") -> Path:
        (folder / name).write_bytes(content.encode())
        return folder / name

    return text


def read(path: Path | str) -> Listing:
    return read_manifest(open_place(str(path)))


def test_a_table_gives_labels_splits_and_groups(write: Callable[..., Path]) -> None:
    path = write(
        "image,label,split,group\n"
        "pictures/002.png,NA,Test,p2\npictures/000.png,7,train,p1\npictures/001.png,7,VAL,p1\n"
    )
    listing = read(path)
    assert listing.reader.names == ("pictures/000.png", "pictures/001.png", "pictures/002.png")
    assert listing.classes == ("7", "7", "NA")
    assert listing.class_names == ("7", "NA")
    assert listing.splits == ("train", "validation", "test")
    assert listing.groups == ("p1", "p1", "p2")
    assert listing.name == "list"
    assert listing.reader.read(2).size == (16, 12)


def test_paths_may_lead_up_from_the_manifest(grow: Callable[..., Path]) -> None:
    folder = grow({"data/pictures": 1, "lists/a.csv": b"image\n../data/pictures/000.png\n"})
    listing = read(folder / "lists" / "a.csv")
    assert listing.classes is None
    assert listing.splits == ("train",)
    assert listing.reader.read(0).size == (16, 12)


def test_absolute_paths_are_taken_as_they_are(grow: Callable[..., Path], tmp_path: Path) -> None:
    folder = grow({"a": 1})
    (tmp_path / "m.csv").write_text(f"image,label\n{folder}/a/000.png,x\n")
    assert read(tmp_path / "m.csv").reader.read(0).size == (16, 12)


def test_parquet_says_the_same_as_csv(write: Callable[..., Path]) -> None:
    path = write("image,label,group\npictures/000.png,1,a\npictures/001.png,2,b\n")
    table = pd.DataFrame(
        {"image": ["pictures/000.png", "pictures/001.png"], "label": [1, 2], "group": ["a", "b"]}
    )
    table.to_parquet(path.with_suffix(".parquet"))
    from_csv, from_parquet = read(path), read(path.with_suffix(".parquet"))
    assert from_csv.classes == from_parquet.classes == ("1", "2")
    assert from_csv.groups == from_parquet.groups
    assert from_csv.reader.digests == from_parquet.reader.digests


def test_a_manifest_in_an_archive_names_its_members(grow: Callable[..., Path]) -> None:
    path = grow({"data/a": 1, "data/m.csv": b"image,label\na/000.png,x\n"}, "p.zip")
    assert read(f"zip://data/m.csv::{path}").reader.read(0).size == (16, 12)


def test_a_byte_order_mark_is_no_part_of_the_first_name(write: Callable[..., Path]) -> None:
    assert read(write("\ufeffimage,label\npictures/000.png,x\n")).classes == ("x",)


def test_rows_that_repeat_another_count_once(write: Callable[..., Path]) -> None:
    listing = read(write("image,label,place\n" + "pictures/000.png,x,here\n" * 3))
    assert listing.reader.names == ("pictures/000.png",)
    assert listing.notes == (
        "the column 'place' was ignored",
        "2 row(s) that repeat another were left out",
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "cannot be read as a table"),
        ("image,label\n", "no rows"),
        ("file,label\na.png,x\n", "no column 'image'; it has 'file', 'label'"),
        ("image;label\na.png;x\n", "with commas between"),
        ("image,label\na.png,\n", r"column 'label' is empty for a\.png"),
        ("image,label\n,x\n", "column 'image' is empty for row 1"),
        ("image,label,split\na.png,x,dev\n", "unknown split 'dev'; allowed: train, val"),
        ("image,label\na.png,x\na.png,y\n", r"a\.png is listed more than once"),
        ("image,label\na,b,c,d\ne\n", "cannot be read as a table|listed|empty"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_the_reason(
    write: Callable[..., Path], content: str, reason: str
) -> None:
    with pytest.raises(InvalidTargetError, match=reason):
        read(write(content))


def test_text_that_is_no_parquet_is_refused(write: Callable[..., Path]) -> None:
    with pytest.raises(InvalidTargetError, match="cannot be read as a table"):
        read(write("image,label\n", "list.parquet"))


def test_any_column_can_name_the_groups(write: Callable[..., Path]) -> None:
    rows = [f"pictures/{i:03d}.png,{'ab'[i // 2]},{i % 2}" for i in range(4)]
    path = write("\n".join(["image,label,patient", *rows]))
    assert open_target(path, group_column="patient").groups == ("0", "1", "0", "1")
    assert open_target(path).groups is None
    with pytest.raises(InvalidTargetError, match="no column 'camera' to group by"):
        open_target(path, group_column="camera")


def test_a_group_column_needs_a_manifest() -> None:
    pixels = np.zeros((4, 8, 8, 3), dtype=np.uint8)
    with pytest.raises(InvalidOptionError, match="is for a manifest"):
        open_target((pixels, [0, 0, 1, 1]), group_column="patient")
