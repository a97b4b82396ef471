from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.reading import PillowReader
from autotransfer.data.target import open_images, open_target, open_unlabelled, open_usable
from autotransfer.errors import CorruptImagesError, InvalidOptionError, InvalidTargetError

PETS = {"cat": 3, "dog": 2}


def test_a_folder_is_opened_with_its_labels(grow: Callable[..., Path]) -> None:
    target = open_target(grow(PETS, "pets"))
    assert target.name == "pets"
    assert target.labelled
    assert target.train.labels.tolist() == [0, 0, 0, 1, 1]
    assert target.class_names == target.train.class_names == ("cat", "dog")
    assert (target.validation, target.held_out, target.groups) == (None, None, None)
    assert target.notes == ()


def test_every_storage_gives_the_same_target(
    grow: Callable[..., Path], picture: Callable[..., Image.Image]
) -> None:
    folder = grow(PETS, "pets")
    archive = grow(PETS, "pets.zip")
    manifest = folder.parent / "pets.csv"
    names = [path.relative_to(folder.parent) for path in sorted(folder.rglob("*.png"))]
    manifest.write_text("image,label\n" + "".join(f"{n},{n.parent.name}\n" for n in names))
    opened = [
        open_target(place) for place in (folder, str(archive), f"zip://::{archive}", manifest)
    ]
    assert len({target.train.fingerprint for target in opened}) == 1
    assert {target.name for target in opened} == {"pets"}
    arrays = np.stack([np.asarray(opened[0].train[i]) for i in range(5)])
    from_arrays = open_target((arrays, ["cat"] * 3 + ["dog"] * 2))
    assert from_arrays.train.labels.tolist() == [0, 0, 0, 1, 1]
    np.testing.assert_array_equal(from_arrays.train[4], opened[0].train[4])


def test_a_test_split_is_sealed_and_val_is_the_validation(grow: Callable[..., Path]) -> None:
    tree = {"train/a": 2, "train/b": 3, "val/a": 1, "test/a": 1, "test/b": 1}
    target = open_target(grow(tree))
    assert target.validation is not None
    assert target.held_out is not None
    assert [len(target.train), len(target.validation), len(target.held_out)] == [5, 1, 2]
    assert target.held_out.labels.tolist() == [0, 1]
    assert target.held_out.class_names == ("a", "b")


def test_val_without_test_is_sealed_and_said_so(grow: Callable[..., Path]) -> None:
    target = open_target(grow({"train/a": 2, "train/b": 2, "valid/a": 1}))
    assert target.validation is None
    assert target.held_out is not None
    assert len(target.held_out) == 1
    assert "the validation split is the held-out test" in target.notes[0]


def test_loose_pictures_are_an_unlabelled_target(grow: Callable[..., Path]) -> None:
    target = open_target(grow({".": 3}))
    assert not target.labelled
    assert target.class_names == ()


def test_an_array_alone_is_an_unlabelled_target() -> None:
    assert not open_target(np.zeros((2, 8, 8), np.uint8)).labelled


def test_an_image_set_is_a_target_as_it_is(picture: Callable[..., Image.Image]) -> None:
    images = ImageSet(PillowReader([picture(i) for i in range(4)]), range(4), [0, 1, 0, 1], "ab")
    target = open_target(images)
    assert target.train.fingerprint == images.fingerprint
    assert target.class_names == ("a", "b")


def test_groups_belong_to_the_training_pictures(grow: Callable[..., Path]) -> None:
    rows = "".join(
        f"x/{i:03d}.png,{'ab'[i % 2]},{'train' if i < 4 else 'test'},g{i}\n" for i in range(6)
    )
    folder = grow({"x": 6, "m.csv": f"image,label,split,group\n{rows}".encode()})
    target = open_target(folder / "m.csv")
    assert target.groups == ("g0", "g1", "g2", "g3")
    assert len(target.train) == 4


@pytest.mark.parametrize(
    ("splits", "groups", "notes"),
    [
        ("train train test test", "p q r r", []),
        ("train train test test", "p q q r", ["1 group(s) are in training and in the held-out "
                                              "test ('q'; 1 of the 2 image(s) of the held-out"]),
        ("train train val val", "p q q p", ["2 group(s) are in training and in the held-out test "
                                            "('p', 'q'; 2 of the 2 image(s)"]),
        ("train train val test", "p q q q", ["1 group(s) are in training and in the validation ",
                                             "1 group(s) are in training and in the held-out test",
                                             "1 group(s) are in the validation and in the held"]),
        ("train train val test", "p p q q", ["1 group(s) are in the validation and in the held"]),
    ],
)  # fmt: skip
def test_groups_on_both_sides_of_the_users_own_splits_are_named(
    grow: Callable[..., Path], splits: str, groups: str, notes: list[str]
) -> None:
    told = [*zip(["train"] * 2 + splits.split(), ["s", "s", *groups.split()], strict=True)]
    rows = "".join(f"x/{i:03d}.png,{'ab'[i % 2]},{s},{g}\n" for i, (s, g) in enumerate(told))
    folder = grow({"x": 6, "m.csv": f"image,label,split,group\n{rows}".encode()})
    target = open_target(folder / "m.csv")
    found = [note for note in target.notes if "group" in note]
    assert [note[: len(start)] for note, start in zip(found, notes, strict=True)] == notes
    assert all("better than for new groups" in note for note in found)
    assert target.held_out is not None
    assert target.held_out_groups == tuple(groups.split())[-len(target.held_out) :]


@pytest.fixture
def damaged(grow: Callable[..., Path], encode: Callable[..., bytes]) -> Path:
    whole = encode(Image.new("RGB", (300, 200), "red").effect_spread(50), "JPEG")
    bad = {
        "cat/text.jpg": b"dear diary",
        "dog/cut.jpg": whole[: len(whole) // 2],
        "dog/dot.png": encode(Image.new("RGB", (1, 1))),
        "dog/nothing.png": b"",
    }
    return grow({**PETS, **bad})


def test_all_bad_pictures_are_named_at_once_with_the_way_out(damaged: Path) -> None:
    (damaged / "cat" / "broken.jpg").symlink_to("gone.jpg")
    with pytest.raises(CorruptImagesError, match="--on-bad-image skip") as found:
        open_target(damaged)
    assert {
        name: reason.split(" (")[0].split(";")[0] for name, reason in found.value.problems
    } == {
        "cat/broken.jpg": "there is no such file",
        "cat/text.jpg": "not an image, or of an unknown format",
        "dog/cut.jpg": "damaged",
        "dog/dot.png": "1 x 1 pixels",
        "dog/nothing.png": "empty file",
    }


def test_bad_pictures_can_be_left_out_and_are_counted_and_named(damaged: Path) -> None:
    target = open_target(damaged, on_bad_image="skip")
    assert target.train.labels.tolist() == [0, 0, 0, 1, 1]
    (note,) = target.notes
    assert note.startswith("4 image(s) cannot be used and were left out: cat/text.jpg: not a")
    for name in ("dog/cut.jpg", "dog/dot.png", "dog/nothing.png"):
        assert name in note


def test_groups_stay_beside_their_pictures_when_bad_ones_go(grow: Callable[..., Path]) -> None:
    rows = "".join(f"x/{i:03d}.png,{'ab'[i % 2]},g{i}\n" for i in range(6))
    folder = grow({"x": 6, "m.csv": f"image,label,group\n{rows}".encode()})
    (folder / "x" / "001.png").write_bytes(b"text")
    target = open_target(folder / "m.csv", on_bad_image="skip")
    assert target.groups == ("g0", "g2", "g3", "g4", "g5")
    assert [name[2:5] for name in target.train.names] == ["000", "002", "003", "004", "005"]


def test_bad_pictures_are_never_all_left_out(grow: Callable[..., Path]) -> None:
    with pytest.raises(CorruptImagesError, match="no other is left") as found:
        open_target(grow({"a/1.jpg": b"x", "b/1.jpg": b"y"}), on_bad_image="skip")
    assert "skip" not in str(found.value)  # which was given


def _lacking(folder: Path) -> str:
    (folder / "cat" / "zz.png").symlink_to("gone.png")
    return "cat/zz.png: there is no such file"


def _looping(folder: Path) -> str:
    (folder / "cat" / "zz.png").symlink_to("zz.png")
    return "cat/zz.png: unreadable"


def _piped(folder: Path) -> str:
    os.mkfifo(folder / "pipe")
    (folder / "cat" / "zz.png").symlink_to(folder / "pipe")
    return "cat/zz.png: unreadable (a named pipe, not a file"


@pytest.mark.parametrize("spoil", [_lacking, _looping, _piped])
def test_files_that_cannot_be_read_are_left_out(
    grow: Callable[..., Path], spoil: Callable[[Path], str]
) -> None:
    folder = grow(PETS)
    reason = spoil(folder)
    target = open_target(folder, on_bad_image="skip")
    assert target.train.labels.tolist() == [0, 0, 0, 1, 1]
    assert len(set(target.train.digests)) == 5
    assert reason in " ".join(target.notes)


def test_a_damaged_member_of_an_archive_is_left_out(grow: Callable[..., Path]) -> None:
    archive = grow(PETS, "pets.zip")
    content = bytearray(archive.read_bytes())
    content[200:240] = bytes(40)
    archive.write_bytes(content)
    target = open_target(archive, on_bad_image="skip")
    assert target.train.labels.tolist() == [0, 0, 1, 1]
    assert "cat/000.png: unreadable (Bad CRC-32" in target.notes[0]


def _closed(whole: Image.Image) -> Image.Image:
    whole.close()
    return whole


@pytest.mark.parametrize(
    "bad",
    [
        lambda _: "none.png",
        lambda _: "a\0b.png",
        lambda content: Image.open(io.BytesIO(content[: len(content) // 2])),
        lambda content: _closed(Image.open(io.BytesIO(content))),
        lambda _: Image.new("RGB", (2, 9)),
    ],
    ids=["missing", "null", "truncated", "closed", "small"],
)
def test_a_list_leaves_out_what_cannot_be_read_with_its_label(
    grow: Callable[..., Path], encode: Callable[..., bytes], bad: Callable[[bytes], Any]
) -> None:
    item = bad(encode(Image.new("RGB", (64, 64), "red").effect_spread(9)))
    paths = sorted(grow(PETS).rglob("*.png"))
    items = [str(p) if isinstance(item, str) else Image.open(p) for p in paths]
    labels = ["a", "a", "b", "b", "b"]
    target = open_target(([item, *items], ["b", *labels]), on_bad_image="skip")
    assert [target.class_names[k] for k in target.train.labels] == labels
    assert "1 image(s) cannot be used and were left out" in target.notes[0]
    with pytest.raises(CorruptImagesError, match="--on-bad-image skip"):
        open_target(([item, *items], ["b", *labels]))
    for opened in (lambda: open_images([item, *items]), lambda: open_usable([item, *items], None)):
        with pytest.raises(CorruptImagesError, match="1 image") as found:
            opened()
        assert "skip" not in str(found.value)  # whoever calls does not offer it
    images, usable = open_usable([item, *items], "skip")
    assert (len(images), len(usable.left_out)) == (5, 1)


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        ({"cat": 3, "dog": 2, "emu/1.png": b"x"}, "class 'emu' has 0; .*emu/1.png: not an image"),
        ({"train/a": 2, "train/b": 2, "test/a/1.png": b"x"}, "split 'test' can .*test/a/1.png"),
    ],
)
def test_what_is_left_without_a_picture_is_named(
    grow: Callable[..., Path], tree: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidTargetError, match=reason) as found:
        open_target(grow(tree), on_bad_image="skip")
    assert "skip" not in str(found.value)


def test_a_message_about_many_pictures_stays_short(grow: Callable[..., Path]) -> None:
    long = "/".join(["x" * 120] * 3)
    bad = {f"cat/{long}/{i}.png": b"text" for i in range(40)}
    with pytest.raises(CorruptImagesError, match="more") as found:
        open_images(grow({"dog": 1, **bad}))
    assert len(found.value.problems) == 40
    assert len(str(found.value)) < 2000


def test_a_bad_picture_in_an_image_set_is_found(grow: Callable[..., Path]) -> None:
    images = open_target(grow(PETS)).train
    Path(images._reader._paths[1]).write_bytes(b"text")  # type: ignore[attr-defined]
    with pytest.raises(CorruptImagesError, match=r"cat/001\.png"):
        open_target(images)


def test_another_rule_for_bad_pictures_is_refused(grow: Callable[..., Path]) -> None:
    with pytest.raises(InvalidOptionError, match="one of stop, skip, got 'ignore'"):
        open_target(grow(PETS), on_bad_image="ignore")


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        ({"a": 3}, r"there is one class \('a'\)"),
        ({"a": 3, "lonely": 1, "b": 2}, "class 'lonely' has 1; at least 2"),
        ({"train/a": 2, "train/b": 2, "test/new": 2}, "class 'new' has 0"),
        ({"test/a": 2, "test/b": 2}, "no training images, only test; add a split 'train'"),
    ],
)
def test_classes_that_cannot_be_learnt_are_refused_by_name(
    grow: Callable[..., Path], tree: dict[str, int], reason: str
) -> None:
    with pytest.raises(InvalidTargetError, match=reason):
        open_target(grow(tree))


def test_an_empty_class_folder_is_refused_by_name(grow: Callable[..., Path]) -> None:
    folder = grow(PETS)
    (folder / "emu").mkdir()
    with pytest.raises(InvalidTargetError, match="class 'emu' has 0"):
        open_target(folder)


def test_fewer_pictures_of_a_class_can_be_allowed(grow: Callable[..., Path]) -> None:
    assert len(open_target(grow({"a": 1, "b": 1}), minimum_per_class=1).train) == 2


@pytest.mark.parametrize(
    "place", ["nowhere", "nowhere.zip", "nowhere.npz", "nowhere.csv", "zip://a::nowhere.zip", ""]
)
def test_a_missing_path_is_refused(place: str) -> None:
    with pytest.raises(InvalidTargetError, match=r"no such file|path is empty"):
        open_target(place)


@pytest.mark.parametrize("empty", [[], np.zeros((0, 8, 8), np.uint8), ([], [])])
def test_no_pictures_at_all_are_refused(empty: Any) -> None:
    with pytest.raises(InvalidTargetError, match="no images"):
        open_target(empty)


def test_pictures_of_the_test_that_were_seen_in_training_are_noted(
    grow: Callable[..., Path],
) -> None:
    folder = grow({"train/a": 2, "train/b": 2, "test/a": 2})
    (folder / "test" / "a" / "000.png").write_bytes((folder / "train/a/001.png").read_bytes())
    (folder / "train" / "b" / "000.png").write_bytes((folder / "train/a/000.png").read_bytes())
    assert open_target(folder).notes == (
        "1 image(s) of the held-out test are also in training",
        "1 training image(s) occur in more than one class",
    )


def test_all_pictures_below_a_place_come_in_bytewise_order(grow: Callable[..., Path]) -> None:
    images = open_images(grow({"b/deep/er": 1, "a": 2, ".": 1, "B": 1}))
    assert images.names == ("000.png", "B/000.png", "a/000.png", "a/001.png", "b/deep/er/000.png")
    assert not images.labelled


def test_one_file_arrays_and_sets_can_be_predicted(
    grow: Callable[..., Path], tmp_path: Path
) -> None:
    folder = grow(PETS)
    assert open_images(folder / "cat" / "001.png").names == ("001.png",)
    assert open_images([folder / "cat" / "001.png"])[0].size == (16, 12)
    pixels = np.zeros((3, 8, 8), np.uint8)
    assert open_images(pixels).names == ("0", "1", "2")
    assert len(open_images((pixels, [0, 1, 1]))) == 3
    np.savez(tmp_path / "a.npz", x_test=pixels, y_test=[0, 0, 0])
    assert len(open_images(tmp_path / "a.npz")) == 3
    assert not open_images(open_target(folder).train).labelled


def test_bad_pictures_are_named_before_anything_is_predicted(damaged: Path) -> None:
    with pytest.raises(CorruptImagesError) as found:
        open_images(damaged)
    assert len(found.value.problems) == 4


@pytest.mark.kit
def test_hymenoptera_is_opened_in_less_than_two_seconds(kit: Path) -> None:
    before = time.process_time()
    target = open_target(kit / "data" / "hymenoptera.zip")
    assert time.process_time() - before < 2
    assert len(target.train) == 244
    assert target.held_out is not None
    assert len(target.held_out) == 153
    assert target.class_names == ("ants", "bees")


@pytest.mark.kit
def test_the_test_pictures_of_the_flowers_are_sealed(kit: Path) -> None:
    target = open_target(kit / "data" / "flowers5.zip")
    assert target.held_out is not None
    assert [len(target.train), len(target.held_out), len(target.class_names)] == [750, 250, 5]
    train = open_target(f"zip://train::{kit / 'data' / 'flowers5.zip'}")
    assert (train.name, len(train.train), train.held_out) == ("flowers5-train", 750, None)


@pytest.mark.kit
def test_the_domains_of_pacs_must_be_named(kit: Path) -> None:
    archive = kit / "data" / "pacs.zip"
    with pytest.raises(InvalidTargetError, match="zip://art_painting::"):
        open_target(archive)
    assert len(open_target(f"zip://photo::{archive}").train) == 280
    assert len(open_images(archive)) == 840


@pytest.mark.kit
def test_digits_in_arrays_are_opened(kit: Path) -> None:
    mnist = open_target(kit / "data" / "mnist.npz")
    assert mnist.held_out is not None
    assert [len(mnist.train), len(mnist.held_out)] == [10_000, 2_000]
    assert mnist.class_names == tuple("0123456789")
    assert any("published" in note for note in open_target(kit / "data" / "mnistm.npz").notes)


def test_labels_in_a_target_that_is_used_without_them_are_noted_and_not_read(
    tmp_path: Path,
) -> None:
    for name in ("ants", "bees"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8), "red" if name == "ants" else "blue").save(
            tmp_path / name / "one.png"
        )
    images, named, _, notes = open_unlabelled(str(tmp_path))
    assert named == ("ants", "bees")
    assert not images.labelled
    assert any("class folders are not read" in note for note in notes)
