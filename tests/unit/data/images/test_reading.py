from __future__ import annotations

import hashlib
import os
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.tar import TarFileSystem
from fsspec.implementations.zip import ZipFileSystem
from PIL import Image

from autotransfer.data.images import reading
from autotransfer.data.images.reading import ArrayReader, FileReader, PillowReader
from autotransfer.errors import CorruptImagesError, InvalidTargetError


def reader_of(folder: Path, names: Sequence[str]) -> FileReader:
    return FileReader(LocalFileSystem(), [str(folder / name) for name in names], names)


def test_a_file_is_known_by_the_sha256_of_its_bytes(grow: Callable[..., Path]) -> None:
    folder = grow({"cats": 2})
    reader = reader_of(folder, ["cats/000.png", "cats/001.png"])
    expected = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in reader.names]
    assert tuple(reader.digests) == tuple(expected)


def test_a_file_that_was_decoded_is_not_read_again_for_its_digest(
    grow: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = grow({"cats": 3})
    names = [f"cats/00{i}.png" for i in range(3)]
    reader = reader_of(folder, names)
    opened: list[str] = []
    content = FileReader._bytes

    def watched(self: FileReader, path: str) -> bytes:
        opened.append(path)
        return content(self, path)

    monkeypatch.setattr(FileReader, "_bytes", watched)
    reader.read(0)
    assert len(set(reader.digests)) == 3
    assert sorted(opened) == [str(folder / name) for name in names]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_threads_may_read_one_archive(
    tmp_path: Path, picture: Callable[..., Image.Image], encode: Callable[..., bytes], kind: str
) -> None:
    contents = {f"{i}.png": encode(picture(i, (40, 40))) for i in range(60)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    path = tmp_path / f"all.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
            for name in contents:
                zipped.write(tmp_path / name, name)
    else:
        with tarfile.open(path, "w") as tarred:
            for name in contents:
                tarred.add(tmp_path / name, name)
    filesystem = (ZipFileSystem if kind == "zip" else TarFileSystem)(fo=str(path))
    reader = FileReader(filesystem, list(contents), list(contents))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(reader.read, list(range(60)) * 3))
    for i, image in enumerate(found):
        np.testing.assert_array_equal(image, picture(i % 60, (40, 40)))


def test_any_fsspec_file_system_will_do(
    picture: Callable[..., Image.Image], encode: Callable[..., bytes]
) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/reading/a.png", encode(picture(3)))
    reader = FileReader(memory, ["/reading/a.png"], ["a.png"])
    np.testing.assert_array_equal(reader.read(0), picture(3))
    assert len(reader.digests) == 1


def test_a_bad_picture_is_named_with_the_reason(grow: Callable[..., Path]) -> None:
    folder = grow({"note.jpg": b"dear diary"})
    reader = reader_of(folder, ["note.jpg", "gone.jpg"])
    with pytest.raises(CorruptImagesError) as found:
        reader.read(0)
    assert found.value.problems == (("note.jpg", "not an image, or of an unknown format"),)
    with pytest.raises(CorruptImagesError, match=r"gone\.jpg: there is no such file"):
        reader.read(1)


def test_a_member_with_a_wrong_checksum_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", b"0123456789")
    path.write_bytes(path.read_bytes().replace(b"0123456789", b"0123456780", 1))
    reader = FileReader(ZipFileSystem(fo=str(path)), ["a.png"], ["a.png"])
    with pytest.raises(CorruptImagesError, match=r"a\.png: unreadable \(Bad CRC-32"):
        reader.read(0)


def test_a_file_above_the_limit_is_refused(
    grow: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_FILE_BYTES", 100)
    with pytest.raises(CorruptImagesError, match="the limit"):
        reader_of(grow({"cats": 1}), ["cats/000.png"]).read(0)


def test_a_file_that_changes_while_it_is_used_is_named(grow: Callable[..., Path]) -> None:
    folder = grow({"cats": 2})
    names = ["cats/000.png", "cats/001.png"]
    reader, contents = reader_of(folder, names), [(folder / n).read_bytes() for n in names]
    digests = list(reader.digests)
    (folder / names[0]).write_bytes(contents[1])
    with pytest.raises(CorruptImagesError, match=r"000\.png: changed after it was first read"):
        reader.read(0)
    (folder / names[0]).write_bytes(contents[0])
    reader.read(0)
    assert list(reader.digests) == digests


@pytest.mark.parametrize("shape", [(3, 8, 6), (3, 8, 6, 1), (3, 8, 6, 3), (3, 8, 6, 4)])
def test_arrays_of_every_allowed_shape_become_rgb(shape: tuple[int, ...]) -> None:
    reader = ArrayReader(np.full(shape, 255, dtype=np.uint8))
    assert reader.names == ("0", "1", "2")
    assert (reader.read(2).mode, reader.read(2).size) == ("RGB", (6, 8))
    assert reader.read(0).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("values", "grey"),
    [
        (np.full((1, 4, 4), 0.5), 128),
        (np.full((1, 4, 4), 1.0, dtype=np.float32), 255),
        (np.full((1, 4, 4), 7, dtype=np.int64), 7),
        (np.full((1, 4, 4), True), 255),  # noqa: FBT003
    ],
)
def test_numbers_of_other_types_are_brought_to_bytes(values: Any, grey: int) -> None:
    assert ArrayReader(values).read(0).getpixel((0, 0)) == (grey, grey, grey)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((2, 3, 8, 8), np.uint8), "channels come last"),
        (np.zeros((8, 8), np.uint8), r"\(8, 8\)"),
        (np.zeros((2, 1, 1), np.uint8), "1 x 1 pixels"),
        (np.full((1, 4, 4), 200.0), r"from 200 to 200.*\[0, 1\]"),
        (np.full((1, 4, 4), 4095, np.uint16), r"to 4095.*\[0, 255\]"),
        (np.full((1, 4, 4), -1), r"from -1"),
        (np.full((1, 4, 4), np.nan), "nan"),
        (np.full((1, 4, 4), "x"), "must be numbers"),
    ],
)
def test_other_arrays_are_refused_with_the_reason(values: Any, reason: str) -> None:
    with pytest.raises(InvalidTargetError, match=reason):
        ArrayReader(values)


def test_several_arrays_may_differ_in_size_and_are_numbered_through() -> None:
    reader = ArrayReader(np.zeros((2, 8, 8), np.uint8), np.zeros((1, 4, 6, 3), np.uint8))
    assert reader.names == ("0", "1", "2")
    assert reader.read(2).size == (6, 4)


def test_the_digest_of_an_array_knows_pixels_and_shape() -> None:
    a = ArrayReader(np.zeros((2, 4, 8), np.uint8), np.zeros((1, 8, 4), np.uint8)).digests
    assert a[0] == a[1] != a[2]


def test_pictures_in_memory_are_read_as_they_are(picture: Callable[..., Image.Image]) -> None:
    reader = PillowReader([picture(1), picture(2, (9, 7)).convert("L"), picture(1)])
    np.testing.assert_array_equal(reader.read(0), picture(1))
    assert (reader.read(1).mode, reader.read(1).size) == ("RGB", (9, 7))
    assert reader.digests[0] == reader.digests[2] != reader.digests[1]
    with pytest.raises(CorruptImagesError, match="1: 2 x 9 pixels"):
        PillowReader([picture(1), picture(2, (2, 9))]).read(1)


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    for name in ("pipe.png", "zero.png", "."):
        with pytest.raises(CorruptImagesError, match=r"not a file|Is a directory"):
            reader_of(tmp_path, [name]).read(0)
