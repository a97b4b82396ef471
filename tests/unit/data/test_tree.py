from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from autotransfer.data.listing import Listing
from autotransfer.data.storage import open_place
from autotransfer.data.tree import grow_tree, read_tree
from autotransfer.errors import InvalidTargetError


def read(path: Path | str) -> Listing:
    return read_tree(grow_tree(open_place(str(path))))


def test_a_folder_of_class_folders_is_labelled_by_them(grow: Callable[..., Path]) -> None:
    listing = read(grow({"dog": 1, "cat": 2, "Zebra": 1}))
    assert listing.reader.names == ("Zebra/000.png", "cat/000.png", "cat/001.png", "dog/000.png")
    assert listing.classes == ["Zebra", "cat", "cat", "dog"]
    assert listing.class_names == ("Zebra", "cat", "dog")  # by bytes, not by number or locale
    assert set(listing.splits) == {"train"}


def test_classes_that_are_numbers_are_in_bytewise_order_too(grow: Callable[..., Path]) -> None:
    assert read(grow({"10": 1, "9": 1})).class_names == ("10", "9")


def test_split_folders_hold_class_folders(grow: Callable[..., Path]) -> None:
    listing = read(grow({"Train/a": 1, "valid/b": 1, "test/a": 1}, "p.zip"))
    found = zip(listing.reader.names, listing.splits, listing.classes or (), strict=True)
    assert list(found) == [
        ("Train/a/000.png", "train", "a"),
        ("test/a/000.png", "test", "a"),
        ("valid/b/000.png", "validation", "b"),
    ]


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        *(("Train", "train"), ("TRAINING", "train"), ("Testing", "test"), ("test", "test")),
        *(("Validation", "validation"), ("valid", "validation"), ("dev", "validation")),
    ],
)
def test_splits_are_known_by_their_usual_names_in_any_case(
    grow: Callable[..., Path], folder: str, split: str
) -> None:
    assert read(grow({f"{folder}/a": 1})).splits == [split]


@pytest.mark.parametrize(
    ("tree", "classes", "splits", "inner"),
    [
        ({"w/a": 1, "w/b": 1}, ["a", "b"], ["train"] * 2, "w"),
        ({"w/v/a": 1, "w/v/b": 1}, ["a", "b"], ["train"] * 2, "w/v"),
        ({"w/Training/a": 1, "w/Testing/a": 1}, ["a", "a"], ["test", "train"], "w"),
        ({"train/train/a": 1, "train/test/a": 1}, ["a", "a"], ["test", "train"], "train"),
        ({"train/a": 1}, ["a"], ["train"], None),
        ({"a": 1}, ["a"], ["train"], None),
    ],
)
@pytest.mark.parametrize("where", ["p", "p.zip"])
def test_folders_that_wrap_everything_are_gone_through(
    grow: Callable[..., Path],
    where: str,
    tree: Mapping[str, int],
    classes: list[str],
    splits: list[str],
    inner: str | None,
) -> None:
    junk = {f"__MACOSX/{path}/._000.png": b"" for path in tree}
    listing = read(grow({**tree, **junk}, where))
    assert (listing.classes, listing.splits) == (classes, splits)
    assert listing.notes == (
        () if inner is None else (f"everything lies in '{inner}', which is used as the target",)
    )


def test_an_empty_class_folder_inside_a_wrapper_is_kept(grow: Callable[..., Path]) -> None:
    folder = grow({"w/a": 1, "w/b": 1})
    for empty in ("w/forgotten", "beside/x"):
        (folder / empty).mkdir(parents=True)
    assert read(folder).class_names == ("a", "b", "forgotten")


def test_loose_pictures_have_no_labels(grow: Callable[..., Path]) -> None:
    listing = read(grow({".": 3}))
    assert listing.classes is None
    assert listing.class_names == ()


def test_what_systems_leave_behind_is_ignored_in_silence(grow: Callable[..., Path]) -> None:
    junk = dict.fromkeys(
        (
            *("__MACOSX/a/._0.jpg", "a/._000.png", ".DS_Store", "a/Thumbs.db", "b/desktop.ini"),
            *(".ipynb_checkpoints/0.jpg", "a/.hidden.jpg", "a/@eaDir/000.png/SYNO.jpg"),
            *("@eaDir/0.jpg", "#recycle/0.jpg", "$RECYCLE.BIN/0.jpg", "lost+found/0.jpg"),
            *("__pycache__/0.jpg", "System Volume Information/0.jpg", "a/Icon\r"),
        ),
        b"junk",
    )
    listing = read(grow({"a": 1, "b": 1, **junk}, "p.zip"))
    assert listing.reader.names == ("a/000.png", "b/000.png")
    assert listing.notes == ()


def test_other_files_are_ignored_with_a_note(grow: Callable[..., Path]) -> None:
    extra = {"a/one.txt": b"", "b/two.txt": b"", "README": b"", "meta/boxes.xml": b""}
    listing = read(grow({"a": 1, "b": 1, **extra}))
    assert listing.classes == ["a", "b"]
    (note,) = listing.notes
    assert note.startswith("4 file(s) that are not images were ignored (.txt 2")
    assert "no extension 1" in note
    assert ".xml 1" in note


def test_spaces_other_scripts_and_capital_endings_are_fine(
    grow: Callable[..., Path], encode: Callable[..., bytes], picture: Callable[..., object]
) -> None:
    content = encode(picture())
    tree = {"κόκκινο μήλο/IMG 1.PNG": content, "绿色/图片 (2).Png": content}
    listing = read(grow(tree))
    assert listing.class_names == ("κόκκινο μήλο", "绿色")
    assert listing.reader.read(0).size == (16, 12)


def test_a_name_that_is_no_utf8_is_read(grow: Callable[..., Path]) -> None:
    folder = grow({"a": 1, "b": 1})
    (folder / "a" / "000.png").rename(folder / "a" / "\udcff.png")
    listing = read(folder)
    assert len(listing.reader.digests) == 2
    assert listing.reader.names == (r"a/\xff.png", "b/000.png")


def test_an_empty_class_folder_is_kept_to_be_refused_by_name(grow: Callable[..., Path]) -> None:
    folder = grow({"a": 1, "b": 1})
    (folder / "forgotten").mkdir()
    assert read(folder).class_names == ("a", "b", "forgotten")


@pytest.mark.parametrize(
    ("tree", "finding"),
    [
        ({"photo/dog": 1, "sketch/dog": 1}, "class folders lie deeper"),
        ({"cat": 2, "dog/a/b": 1}, "folders go deeper: 'dog/a/b/000.png' lies on another level"),
        ({"dog": 1, "cat/black": 1}, "folders go deeper: 'cat/black/000.png'"),
        ({"dog": 1, ".": 1}, "loose images beside folders"),
        ({"train": 1, "test": 1}, "these are splits, but not all of class folders"),
        ({"train/a": 1, "test": 1}, "these are splits, but not all of class folders"),
        ({"train/a": 1, "extra/a": 1}, "class folders lie deeper"),
    ],
)
def test_a_tree_of_another_shape_is_refused_with_the_folder_to_name(
    grow: Callable[..., Path], tree: Mapping[str, int], finding: str
) -> None:
    first = min(name for name in tree if name != ".").split("/")[0]
    path = grow(tree, "p.zip")
    with pytest.raises(InvalidTargetError, match=finding) as refused:
        read(path)
    assert f"zip://{first}::{path}" in str(refused.value)
    folder = grow(tree)
    with pytest.raises(InvalidTargetError, match=finding) as refused:
        read(folder)
    assert f"{folder}/{first}" in str(refused.value)


def test_a_class_may_be_called_train(grow: Callable[..., Path]) -> None:
    assert read(grow({"bus": 1, "train": 1})).class_names == ("bus", "train")


def test_places_without_pictures_are_refused(grow: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidTargetError, match=r"there are no images, sounds or texts in it$"):
        read(tmp_path / "empty")
    with pytest.raises(
        InvalidTargetError, match=r"1 file.s. that are not images, sounds or texts"
    ):
        read(grow({"a/x.txt": b""}))
    with pytest.raises(InvalidTargetError, match=r"\(.parquet 1\); a table is named by its own"):
        read(grow({"data/train-0.parquet": b""}, "hub"))
    with pytest.raises(InvalidTargetError, match="not a folder, an archive"):
        read(grow({"x.doc": b"text"}, "documents") / "x.doc")
    path = grow({"a": 1, "b": 1}, "p.zip")
    with pytest.raises(InvalidTargetError, match="there is no 'c' in it"):
        read(f"zip://c::{path}")
