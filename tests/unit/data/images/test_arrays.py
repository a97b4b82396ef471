from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from autotransfer.data.images import arrays
from autotransfer.data.images.arrays import read_images, read_npz
from autotransfer.data.listing import Listing
from autotransfer.data.storage import open_place
from autotransfer.errors import InvalidTargetError
from autotransfer.models.precomputed_features import read_matrices


def grey(n: int, side: int = 8) -> NDArray[np.uint8]:
    """n images, the i-th all of the grey i."""
    return np.arange(n, dtype=np.uint8)[:, None, None] * np.ones((1, side, side), np.uint8)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Listing]:
    def npz(**arrays: Any) -> Listing:
        np.savez(tmp_path / "digits.npz", **arrays)
        return read_npz(open_place(str(tmp_path / "digits.npz")))

    return npz


def test_an_array_without_labels_is_unlabelled() -> None:
    listing = read_images(grey(3))
    assert listing.classes is None
    assert listing.reader.names == ("0", "1", "2")


def test_numbers_are_classes_in_the_order_of_numbers() -> None:
    listing = read_images(grey(4), [10, 9, 10, -1])
    assert listing.classes == ["10", "9", "10", "-1"]
    assert listing.class_names == ("-1", "9", "10")


def test_names_are_classes_in_the_order_of_bytes() -> None:
    assert read_images(grey(3), ["b", "10", "9"]).class_names == ("10", "9", "b")


@pytest.mark.parametrize(
    "labels",
    [[1, 2, 1], np.array([1.0, 2.0, 1.0]), np.array([[1], [2], [1]], np.uint8), (1, 2, 1)],
)
def test_labels_come_in_many_forms(labels: Any) -> None:
    assert read_images(grey(3), labels).classes == ["1", "2", "1"]


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([1, 2], r"shape \(2,\) for 3 item"),
        (np.eye(3), r"shape \(3, 3\)"),
        ([0.5, 1, 2], "whole numbers or names"),
        ([1, 2, float("nan")], "whole numbers or names"),
        (["a", None, "b"], "without gaps"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: Any, reason: str) -> None:
    with pytest.raises(InvalidTargetError, match=reason):
        read_images(grey(3), labels)


def test_lists_of_pictures_arrays_or_paths_are_read(
    picture: Callable[..., Image.Image], grow: Callable[..., Path]
) -> None:
    folder = grow({"a": 2})
    paths = [str(folder / "a" / "001.png"), folder / "a" / "000.png"]
    from_paths = read_images(paths, [0, 1])
    assert from_paths.reader.names == tuple(map(str, paths))
    assert from_paths.reader.read(0).size == (16, 12)
    sizes = [(8, 9), (10, 11)]
    images = [picture(i, size) for i, size in enumerate(sizes)]
    assert [read_images(images).reader.read(i).size for i in (0, 1)] == sizes
    arrays = [np.asarray(image) for image in images]
    assert [read_images(arrays).reader.read(i).size for i in (0, 1)] == sizes


@pytest.mark.parametrize("thing", [None, 7, {"a": 1}, [1, "x"], [[1, 2], [3]], object()])
def test_what_holds_no_pictures_is_refused(thing: Any) -> None:
    with pytest.raises(InvalidTargetError, match=r"not understood|no regular array|shape|number"):
        read_images(thing)


def test_an_npz_holds_splits_and_class_names(write: Callable[..., Listing]) -> None:
    listing = write(
        x_train=grey(2), y_train=[1, 0], x_val=grey(1, 4), y_val=[1], x_test=grey(1), y_test=[0],
        class_names=["yes", "no"],
    )  # fmt: skip
    assert listing.splits == ["train", "train", "validation", "test"]
    assert listing.classes == ["no", "yes", "no", "yes"]
    assert listing.class_names == ("yes", "no")
    assert listing.reader.read(2).size == (4, 4)
    assert listing.name == "digits"


def test_an_npz_of_x_and_y_is_all_training(write: Callable[..., Listing]) -> None:
    listing = write(X=grey(2), Y=[3, 4])
    assert listing.splits == ["train", "train"]
    assert listing.class_names == ("3", "4")


def test_an_npz_without_labels_is_unlabelled(write: Callable[..., Listing]) -> None:
    assert write(x_train=grey(2), x_test=grey(1)).classes is None


def test_other_arrays_are_ignored_with_a_note(write: Callable[..., Listing]) -> None:
    listing = write(x_train=grey(2), y_train=[0, 1], x_bad=grey(9), y_bad=[0] * 9)
    assert len(listing.splits) == 2
    assert listing.notes[0].startswith("the array 'x_bad' was ignored")


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"images": grey(2)}, r"digits\.npz: no array 'x' or 'x_train'; it holds images"),
        ({"x_train": grey(2), "y_train": [0, 1], "x_test": grey(1)}, "no array 'y_test'"),
        ({"x": grey(2), "y": [0]}, r"digits\.npz: labels of the shape \(1,\)"),
        ({"x": grey(2), "y": [0, 2], "class_names": ["a", "b"]}, "from 0 to 2, but .* 2 names"),
        ({"x": grey(2), "y": [0, 1], "class_names": ["a", "a"]}, "a name twice"),
        ({"x": np.array([object()])}, "not an .npz file of plain arrays"),
    ],
)
def test_an_npz_that_cannot_be_used_is_refused_with_the_reason(
    write: Callable[..., Listing], arrays: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidTargetError, match=reason):
        write(**arrays)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 truncated", b"\x93NUMPY"])
def test_a_file_that_is_no_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InvalidTargetError, match=r"a\.npz: not an \.npz file"):
        read_npz(open_place(str(tmp_path / "a.npz")))


@pytest.mark.parametrize(
    ("name", "read"),
    [("features", read_matrices), ("x", lambda path: read_npz(open_place(str(path))))],
)
def test_an_npz_that_unpacks_to_far_more_than_it_is_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, read: Callable[[Path], Any]
) -> None:
    monkeypatch.setattr(arrays, "MAX_READ_BYTES", 1 << 16)
    large: dict[str, Any] = {name: np.zeros((1 << 10, 1 << 8), np.uint8)}
    packed, plain = tmp_path / "packed.npz", tmp_path / "plain.npz"
    np.savez_compressed(packed, **large)
    np.savez(plain, **large)
    arrays.check_unpacked(np.load(plain), "plain.npz")  # no larger in memory than it is
    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(InvalidTargetError, match=r"packed\.npz: unpacks to .* numpy\.savez"):
        read(packed)
    assert name != "x" or read_matrices(packed) is None


def test_a_lone_array_under_the_name_npz_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, grey(2))
    with pytest.raises(InvalidTargetError, match=r"not an \.npz file"):
        read_npz(open_place(str(tmp_path / "a.npz")))
