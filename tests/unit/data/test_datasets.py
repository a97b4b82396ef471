from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, IterableDataset, Subset, TensorDataset
from typing_extensions import override

from autotransfer.data.datasets import is_dataset, read_dataset
from autotransfer.data.images import reading
from autotransfer.data.target import open_images, open_target, open_usable
from autotransfer.errors import CorruptImagesError, InvalidTargetError

NAMES = ["ant", "bee"]


def picture(i: int) -> NDArray[np.uint8]:
    return np.random.default_rng(i).integers(0, 256, (12, 10, 3), dtype=np.uint8)


class Pictures(Dataset[tuple[Any, int]]):
    """Items (image, label); counts how often each was read."""

    def __init__(self, n: int = 6, form: Callable[[int], Any] = picture, **known: Any) -> None:
        self.form, self.n, self.reads = form, n, [0] * n
        for name, value in known.items():
            setattr(self, name, value)

    def __len__(self) -> int:
        return self.n

    @override
    def __getitem__(self, i: int) -> tuple[Any, int]:
        if not 0 <= i < self.n:
            raise IndexError(i)
        self.reads[i] += 1
        return self.form(i), i % 2


@pytest.mark.parametrize(
    "form",
    [
        picture,
        lambda i: Image.fromarray(picture(i)),
        lambda i: torch.from_numpy(picture(i)).permute(2, 0, 1),
        lambda i: torch.from_numpy(picture(i)).permute(2, 0, 1).float() / 255,
    ],
    ids=["array", "pil", "bytes", "floats"],
)
def test_items_of_torch_are_the_same_pictures_in_every_form(form: Callable[[int], Any]) -> None:
    opened = open_target(Pictures(form=form, classes=NAMES))
    assert opened.class_names == ("ant", "bee")
    assert opened.train.labels.tolist() == [0, 1, 0, 1, 0, 1]
    for i in range(6):
        assert np.array_equal(np.asarray(opened.train[i]), picture(i))


def test_labels_come_from_targets_without_reading_a_picture() -> None:
    pictures = Pictures(targets=[0, 1, 0, 1, 0, 1], classes=NAMES)
    listing = read_dataset(pictures)
    assert list(listing.classes or ()) == ["ant", "bee"] * 3
    assert pictures.reads == [0] * 6


def test_a_subset_keeps_the_names_of_its_dataset() -> None:
    opened = open_target(Subset(Pictures(classes=NAMES), [0, 1, 2, 3]))
    assert opened.class_names == ("ant", "bee")
    assert len(opened.train) == 4


def test_labels_that_are_given_replace_those_of_the_dataset() -> None:
    opened = open_target((Pictures(4), ["x", "x", "y", "y"]))
    assert opened.class_names == ("x", "y")
    assert opened.train.labels.tolist() == [0, 0, 1, 1]


def test_tensors_and_lists_of_items_are_datasets() -> None:
    pixels = torch.from_numpy(np.stack([picture(i) for i in range(4)])).permute(0, 3, 1, 2)
    tensors = TensorDataset(pixels, torch.tensor([3, 3, 5, 5]))
    assert open_target(tensors).class_names == ("3", "5")
    items = [{"image": Image.fromarray(picture(i)), "label": i % 2} for i in range(4)]
    assert np.array_equal(np.asarray(open_images(items)[2]), picture(2))
    pairs = [(picture(i), i % 2) for i in range(4)]
    assert open_target(pairs).train.labels.tolist() == [0, 1, 0, 1]


def test_paths_arrays_and_pil_images_are_no_datasets() -> None:
    image = Image.fromarray(picture(0))
    for other in (["a.png"], [image], [picture(0)], np.zeros((2, 8, 8)), "a.zip", Path("a")):
        assert not is_dataset(other)


def test_a_random_transform_is_found_out() -> None:
    rng = np.random.default_rng(0)
    moving = Pictures(form=lambda i: picture(int(rng.integers(1 << 30))))
    opened = open_target(moving, minimum_per_class=1)
    with pytest.raises(InvalidTargetError, match="another image 0 at every read"):
        opened.train.read(0)


def test_normalised_tensors_are_refused_with_the_way_out() -> None:
    normal = Pictures(form=lambda i: torch.randn(3, 8, 8) * 3)
    with pytest.raises(InvalidTargetError, match="without Normalize"):
        open_target(normal)


def test_a_picture_that_cannot_be_used_is_named() -> None:
    small = Pictures(form=lambda i: Image.new("RGB", (8, 8)) if i else b"no image")
    with pytest.raises(CorruptImagesError, match="0: not an image"):
        open_target(small)
    left = open_target(small, on_bad_image="skip")
    assert len(left.train) == 5


@pytest.mark.parametrize("form", [str, Path, lambda path: {"bytes": None, "path": str(path)}])
def test_a_file_of_an_item_is_read_with_the_care_of_any_file(
    form: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, large = tmp_path / "pipe", tmp_path / "large.png"
    os.mkfifo(pipe)
    large.write_bytes(png(0))
    monkeypatch.setattr(reading, "MAX_FILE_BYTES", 100)
    items = [(form(pipe), 0), (form(large), 1)]
    with pytest.raises(CorruptImagesError, match=r"0: a named pipe, not a file\n.*1: larger than"):
        open_target(items)


def test_a_stream_is_refused() -> None:
    class Stream(IterableDataset[Any]):
        @override
        def __iter__(self) -> Any:
            return iter(())

    with pytest.raises(InvalidTargetError, match=r"is not understood|without a length"):
        open_target(Stream())


def png(i: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(i)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def hugging() -> Any:
    """The library itself, where it is installed."""
    return pytest.importorskip("datasets")


def table(hugging: Any, positions: list[int]) -> Any:
    features = hugging.Features(
        {"label": hugging.ClassLabel(names=NAMES), "picture": hugging.Image()}
    )
    rows = {
        "label": [i % 2 for i in positions],
        "picture": [{"bytes": png(i), "path": None} for i in positions],
    }
    return hugging.Dataset.from_dict(rows, features=features)


def test_a_dataset_of_hugging_face_is_read_from_its_files(hugging: Any, tmp_path: Path) -> None:
    opened = open_target(table(hugging, list(range(6))))
    assert opened.class_names == ("ant", "bee")
    assert opened.train.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert np.array_equal(np.asarray(opened.train[3]), picture(3))
    (tmp_path / "3.png").write_bytes(png(3))
    assert open_images([str(tmp_path / "3.png")]).digests[0] == opened.train.digests[3]


def test_a_dataset_around_one_of_hugging_face_has_its_classes(hugging: Any) -> None:
    assert said(Wrapped(table(hugging, list(range(6))))) == ["ant", "bee"] * 3


def test_splits_of_hugging_face_are_splits(hugging: Any) -> None:
    parts = {"train": [0, 1, 2, 3], "test": [4, 5], "extra": [6, 7]}
    splits = hugging.DatasetDict({name: table(hugging, p) for name, p in parts.items()})
    opened = open_target(splits)
    assert len(opened.train) == 4
    assert opened.held_out is not None
    assert np.array_equal(np.asarray(opened.held_out[1]), picture(5))
    assert any("'extra' was ignored" in note for note in opened.notes)


def test_a_table_without_images_names_its_columns(hugging: Any) -> None:
    rows = hugging.Dataset.from_dict({"note": ["a", "b"], "label": [0, 1]})
    with pytest.raises(InvalidTargetError, match="the columns note, label; none"):
        open_target(rows)


def said(dataset: Any) -> list[str]:
    """Return the class of each training image, as it is learnt."""
    opened = open_target(dataset, minimum_per_class=1).train
    return [opened.class_names[k] for k in opened.labels]


def transformed(change: Callable[[int], Any], **known: Any) -> Pictures:
    """Return a dataset of six like ImageFolder: it states targets, and changes them in items."""

    class Changed(Pictures):
        target_transform = staticmethod(change)

        @override
        def __getitem__(self, i: int) -> tuple[Any, Any]:
            image, label = super().__getitem__(i)
            return image, change(label)

    return Changed(targets=[0, 1] * 3, classes=NAMES, **known)


class Renamed(Pictures):
    """Labels that differ from the targets, and say so nowhere."""

    targets = (0, 0, 0, 1, 1, 1)


class Wrapped(Pictures):
    """A dataset around another that changes the images alone."""

    def __init__(self, dataset: Any) -> None:
        super().__init__(dataset=dataset)


def pets(*names: str, n: int = 4) -> Pictures:
    return Pictures(n, targets=[i % 2 for i in range(n)], classes=list(names))


@pytest.mark.parametrize(
    ("dataset", "classes"),
    [
        (transformed(lambda k: 1 - k), ["1", "0"] * 3),
        (transformed(lambda k: k), ["ant", "bee"] * 3),
        (transformed(lambda k: ("x", "y")[k]), ["x", "y"] * 3),
        (Subset(transformed(lambda k: k + 3), [1, 2]), ["4", "3"]),
        (Subset(Subset(pets("cat", "dog"), [0, 1, 3]), [2, 0]), ["dog", "cat"]),
        (ConcatDataset([pets("cat", "dog"), pets("dog", "emu", n=2)]), [*"cd" * 2, *"de"]),
        (ConcatDataset([pets("dog", "cat"), pets("dog", "cat", n=2)]), [*"dc" * 3]),
        (Subset(ConcatDataset([pets("cat", "dog"), pets("emu", "cat")]), [1, 4, 5]), [*"dec"]),
        (ConcatDataset([Pictures(2), Pictures(2)]), ["0", "1"] * 2),
        (Pictures(4, classes={"ant": 0, "bee": 1}), ["ant", "bee"] * 2),
        (Pictures(4, classes={1: "bee", 0: "ant"}), ["ant", "bee"] * 2),
        (Pictures(4, class_to_idx={"bee": 1, "ant": 0}), ["ant", "bee"] * 2),
        (Pictures(4, classes=[("ant", "emmet"), ("bee",)]), ["ant, emmet", "bee"] * 2),
        (Pictures(4, class_to_idx={"bee": np.int64(1), "ant": np.int64(0)}), ["ant", "bee"] * 2),
        (Pictures(4, classes=pd.Index(NAMES)), ["ant", "bee"] * 2),
        (Pictures(4, targets=pd.Series([0, 1, 0, 1], [3, 0, 1, 2])), ["0", "1"] * 2),
        (Wrapped(Pictures(targets=[0, 1] * 3, classes=NAMES)), ["ant", "bee"] * 3),
        (Wrapped(6), ["0", "1"] * 3),
        ([(i, picture(i), "ab"[i % 2]) for i in range(4)], [*"abab"]),
        ([("ab"[i % 2], picture(i)) for i in range(4)], [*"abab"]),
        ([(picture(i), (b"a", "b")[i % 2]) for i in range(4)], [*"abab"]),
        ([(picture(i), torch.tensor([i % 2])) for i in range(4)], ["0", "1"] * 2),
    ],
)
def test_the_classes_are_those_that_the_items_have(dataset: Any, classes: list[str]) -> None:
    short = {"c": "cat", "d": "dog", "e": "emu"}
    assert said(dataset) == [short.get(name, name) for name in classes]


@pytest.mark.parametrize(
    ("dataset", "reason"),
    [
        (Renamed(), "item 1 of the dataset returns the label 1, but its targets say 0"),
        (transformed(lambda k: NAMES[k + 5]), "target_transform of the dataset fails"),
        (ConcatDataset([pets("cat", "dog"), Pictures(2)]), "some only number them"),
        (
            ConcatDataset([pets("cat"), pets("emu", "dog")]),
            "the label 1 in one of the joined .* 1 c",
        ),
        (Pictures(classes=["ant", "ant"]), "the class 'ant' twice"),
        (Pictures(classes={"ant": 5, "bee": 6}), "labels from 0 to 1 .* 2 classes"),
        (TensorDataset(torch.zeros(3, 3, 8, 8), torch.eye(3)), "one-hot rows, give labels.argmax"),
        ([(picture(i), {"boxes": [i]}) for i in range(2)], "that of item 0 is a dict"),
        ([(picture(i), [0, 1][: i + 1]) for i in range(2)], "one for each item"),
        ([(picture(i), i / 4) for i in range(2)], "not fractions"),
        ([(picture(0), "a"), (picture(1), None)], "some have none"),
    ],
)
def test_labels_of_which_it_is_not_plain_what_they_mean_are_refused(
    dataset: Any, reason: str
) -> None:
    with pytest.raises(InvalidTargetError, match=reason) as found:
        open_target(dataset)
    assert len(str(found.value)) < 400


def test_an_item_that_fails_is_left_out_with_its_label() -> None:
    def fail(i: int) -> Any:
        if i == 1:
            raise RuntimeError("decoder failed")
        return picture(i) if i else None

    for dataset in (
        Pictures(form=fail),
        Subset(Pictures(form=fail, targets=[0, 1] * 3), range(6)),
    ):
        opened = open_target(dataset, on_bad_image="skip")
        assert opened.train.names == ("2", "3", "4", "5")
        assert opened.train.labels.tolist() == [0, 1, 0, 1]
        assert "0: a NoneType, not an image" in opened.notes[0]
        assert "1: decoder failed" in opened.notes[0]


def test_a_list_of_several_forms_is_read_and_its_gaps_can_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(png(0))
    items = [str(tmp_path / "0.png"), png(1), picture(2), Image.fromarray(picture(3)), None]
    bands = np.zeros((8, 8, 5), np.uint8)
    images, found = open_usable([*items, bands], "skip")
    for i in range(4):
        assert np.array_equal(np.asarray(images[i]), picture(i))
    assert [name for name, _ in found.left_out] == ["4", "5"]
    assert open_usable([picture(0), bands], "skip")[1].left_out[0][0] == "1"


@pytest.mark.parametrize(
    "form", [tuple, lambda parts: dict(zip(("train", "val"), parts, strict=True))]
)
def test_two_datasets_are_training_and_held_out_test(form: Callable[[Any], Any]) -> None:
    opened = open_target(form((pets("cat", "dog"), pets("cat", "dog", n=2))))
    assert opened.held_out is not None
    assert (len(opened.train), len(opened.held_out)) == (4, 2)
    assert opened.class_names == ("cat", "dog")
