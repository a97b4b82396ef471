from __future__ import annotations

import hashlib
import io
import os
import socket
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotransfer.data import storage
from autotransfer.data.storage import Location, entries, open_place, special_file, storable
from autotransfer.data.target import open_images, open_target
from autotransfer.errors import CorruptImagesError, InvalidTargetError

MODES = {
    "a.tar": "w",
    "a.tar.gz": "w:gz",
    "a.tgz": "w:gz",
    "a.tar.bz2": "w:bz2",
    "a.tar.xz": "w:xz",
}


def names(text: str) -> list[str]:
    return sorted(entry.below for entry in entries(open_place(text)) if not entry.folder)


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, MODES[path.name]) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_a_folder_lists_what_is_below_it(grow: Callable[..., Path]) -> None:
    folder = grow({"cats and dogs/été": 1, "ζώα": 1})
    assert names(str(folder)) == ["cats and dogs/été/000.png", "ζώα/000.png"]


def test_a_zip_by_its_name_by_url_and_by_a_folder_in_it(grow: Callable[..., Path]) -> None:
    path = grow({"photo/dog": 1, "photos/cat": 1}, "p.zip")
    assert names(str(path)) == ["photo/dog/000.png", "photos/cat/000.png"]
    assert names(f"zip://::{path}") == ["photo/dog/000.png", "photos/cat/000.png"]
    assert names(f"zip://photo::{path}") == ["dog/000.png"]


@pytest.mark.parametrize("name", MODES)
def test_every_kind_of_tar_is_listed_and_read(tmp_path: Path, name: str) -> None:
    path = write_tar(tmp_path / name, {"./train/a/1.png": b"one", "./train/b/2.png": b"two"})
    assert names(str(path)) == ["train/a/1.png", "train/b/2.png"]
    place = open_place(f"tar://train::{path}")
    found = sorted(entries(place), key=lambda entry: entry.below)
    assert [entry.below for entry in found] == ["a/1.png", "b/2.png"]
    # backwards: a compressed tar must not be decompressed from its start for each
    assert [place.filesystem.cat_file(e.path) for e in reversed(found)] == [b"two", b"one"]


def test_a_compressed_tar_that_unpacks_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tar(tmp_path / "a.tar.gz", {"a.png": bytes(5_000_000)})
    monkeypatch.setattr(storage, "MAX_UNPACKED_BYTES", 1_000_000)
    with pytest.raises(InvalidTargetError, match="the limit"):
        open_place(str(path))


def test_an_archive_on_another_file_system_is_opened_in_place(grow: Callable[..., Path]) -> None:
    content = grow({"photo/dog": 1}, "p.zip").read_bytes()
    fsspec.filesystem("memory").pipe("/storage/p.zip", content)
    assert names("memory://storage/p.zip") == ["photo/dog/000.png"]
    assert names("zip://photo::memory://storage/p.zip") == ["dog/000.png"]
    fsspec.filesystem("memory").pipe("/storage/loose/x/a.png", b"")
    assert names("memory://storage/loose") == ["x/a.png"]


def test_a_chained_url_without_a_scheme_needs_no_absolute_path(
    grow: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = grow({"photo/dog": 1}, "p.zip")
    monkeypatch.chdir(path.parent)
    assert names("zip://photo::p.zip") == ["dog/000.png"]
    assert names("p.zip") == ["photo/dog/000.png"]


def test_backslashes_in_a_zip_are_slashes(grow: Callable[..., Path]) -> None:
    path = grow({"sub\\a": 1, "sub\\m.csv": b"image\na/000.png\n", "sub\\empty\\": b""}, "p.zip")
    assert names(str(path)) == ["sub/a/000.png", "sub/m.csv"]
    assert names(f"zip://sub::{path}") == ["a/000.png", "m.csv"]
    assert open_place(f"zip://sub/m.csv::{path}").read().startswith(b"image")
    assert open_images(path)[0].size == open_images(f"zip://sub/m.csv::{path}")[0].size == (16, 12)


def test_names_in_a_zip_that_are_utf8_without_saying_so_are_read_as_such(tmp_path: Path) -> None:
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("caf\u00e9/1.png", "\u7eff/2.png"):
            archive.writestr(name, b"x")
    content = bytearray(path.read_bytes())
    for mark, at in ((b"PK\3\4", 7), (b"PK\1\2", 9)):
        start = -1
        while (start := content.find(mark, start + 1)) >= 0:
            content[start + at] &= 0xF7  # the flag of UTF-8
    path.write_bytes(content)
    assert names(str(path)) == ["caf\u00e9/1.png", "\u7eff/2.png"]
    place = open_place(str(path))
    assert place.filesystem.cat_file("\u7eff/2.png") == b"x"


def test_an_archive_with_a_password_is_refused_in_one_line(grow: Callable[..., Path]) -> None:
    path = grow({"a": 1, "b": 1}, "p.zip")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(InvalidTargetError, match=r"p\.zip: it has a password; unpack it"):
        open_place(str(path))


def test_of_members_with_one_name_the_last_is_read_and_that_is_said(
    grow: Callable[..., Path], encode: Callable[..., bytes], picture: Callable[..., object]
) -> None:
    path = grow({"a/000.png": encode(picture(1)), "b": 1}, "p.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a/000.png", encode(picture(2)))
    opened = open_target(path, minimum_per_class=1)
    assert opened.train.digests[0] == hashlib.sha256(encode(picture(2))).hexdigest()
    assert opened.train.names == ("a/000.png", "b/000.png")
    assert opened.notes[0].startswith("1 file(s) have the name of another in the archive")


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_a_tar_with_devices_or_pipes_is_refused(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("a/dev.png")
    info.type = kind
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(info)
    with pytest.raises(
        InvalidTargetError, match=r"'a/dev\.png' in it is a device or a named pipe"
    ):
        entries(open_place(str(tmp_path / "a.tar")))


@pytest.mark.parametrize(
    "text", ["p", "p.zip", "p.tar.gz", "p.csv", "p.parquet", "p.npz", "p.png"]
)
@pytest.mark.parametrize("how", ["{}", "link", "zip://a::{}", "file://{}"])
def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path, text: str, how: str) -> None:
    path = tmp_path / text
    os.mkfifo(path)
    if how == "link":
        path = (tmp_path / f"link to {text}").absolute()
        path.symlink_to(tmp_path / text)
    with pytest.raises(InvalidTargetError, match="a named pipe, not a file"):
        open_place(str(path) if how == "link" else how.format(path))


def test_sockets_and_devices_are_told_by_their_kind(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{tmp_path}/s")
        assert special_file(tmp_path / "s") == "a socket"
    assert special_file("/dev/zero") == "a device"
    for path in (tmp_path, tmp_path / "nothing", "a\0b"):
        assert special_file(path) is None
    listed = [str(tmp_path / "s"), "/dev/zero"]
    with pytest.raises(CorruptImagesError, match="a device, not a file") as found:
        open_images(listed)
    assert len(found.value.problems) == 2


def test_a_file_that_is_read_as_a_whole_has_a_limit(
    grow: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = grow({"m.csv": b"image\n" + b"a.png\n" * 1000}, "p.zip")
    monkeypatch.setattr(storage, "MAX_READ_BYTES", 100)
    with pytest.raises(InvalidTargetError, match="larger than 0 GiB, the limit"):
        open_target(f"zip://m.csv::{path}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\udcff.zip", r"^\\xff\.zip: no such"),
        ("a\nb", r"^a\\nb: no such"),
        ("x" * 5000, r"x \.\.\.: "),
    ],
)
def test_a_place_is_named_readably(text: str, shown: str) -> None:
    with pytest.raises(InvalidTargetError, match=shown) as refused:
        open_place(text)
    assert len(str(refused.value)) < 1200


@pytest.mark.parametrize(
    ("kind", "evil"),
    [
        *((kind, evil) for kind in ("a.zip", "a.tar")
          for evil in ("../../etc/a.png", "a/../../b.png", "/etc/a.png", "C:/a.png")),
        *(("a.zip", evil) for evil in ("..\\a.png", "C:\\a.png", "\\\\server\\a.png")),
    ],
)  # fmt: skip
def test_an_archive_with_names_that_lead_out_is_refused(
    tmp_path: Path, kind: str, evil: str
) -> None:
    path = tmp_path / kind
    if kind == "a.tar":
        write_tar(path, {"fine.png": b"", evil: b""})
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("fine.png", b"")
            archive.writestr(evil, b"")
    with pytest.raises(InvalidTargetError, match="leads out of it"):
        entries(open_place(str(path)))


def test_links_to_folders_above_end(grow: Callable[..., Path]) -> None:
    folder = grow({"a": 1, "b": 1})
    (folder / "a" / "up").symlink_to(folder)
    (folder / "a" / "here").symlink_to(".")
    (folder / "a" / "other").symlink_to(folder / "b")
    (folder / "b" / "back").symlink_to(folder / "a")
    (folder / "self.png").symlink_to("self.png")
    found = names(str(folder))
    assert {"a/000.png", "b/000.png", "a/other/000.png", "b/back/000.png"} <= set(found)
    assert len(found) < 10


def test_a_pipe_is_not_a_picture_that_could_be_waited_for(grow: Callable[..., Path]) -> None:
    folder = grow({"a": 1})
    os.mkfifo(folder / "a" / "pipe.png")
    assert names(str(folder)) == ["a/000.png", "a/pipe.png"]
    with pytest.raises(
        CorruptImagesError, match=r"pipe\.png: unreadable .a named pipe, not a file"
    ):
        open_images(folder)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nowhere", "nowhere: no such file or folder"),
        ("nowhere/b.zip", "no such file or folder"),
        ("zip://a::nowhere.zip", "no such file or folder"),
        ("nosuch://a", "cannot be opened .*nosuch"),
        ("zip://a.zip", "cannot be opened"),
    ],
)
def test_a_place_that_is_not_there_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidTargetError, match=reason):
        open_place(text)


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.xz", "a.tar.bz2"])
@pytest.mark.parametrize("content", [b"", b"this is no archive" * 100])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidTargetError, match="cannot be opened"):
        open_place(str(tmp_path / name))


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar.gz", {"a.png": os.urandom(100_000)})
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(InvalidTargetError, match="cannot be opened"):
        open_place(str(path))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("photos", "photos"),
        ("my.photos", "my.photos"),
        ("p.zip", "p"),
        ("p.tar.gz", "p"),
        ("zip://photo::p.zip", "p-photo"),
        ("zip://::p.zip", "p"),
        ("zip://a/b::p.zip", "p-a-b"),
        ("digits.v2.npz", "digits.v2"),
        (".", "here"),
    ],
)
def test_a_place_has_a_short_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, name: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for folder in ("photos", "my.photos"):
        Path(folder).mkdir()
    Path("digits.v2.npz").touch()
    with zipfile.ZipFile("p.zip", "w") as archive:
        archive.writestr("a.png", b"")
    write_tar(Path("a.tar.gz"), {"a.png": b""}).rename("p.tar.gz")
    assert open_place(text).name == name


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("p.zip", "zip://photo::p.zip"),
        ("zip://::p.zip", "zip://photo::p.zip"),
        ("zip://a::p.zip", "zip://a/photo::p.zip"),
        ("a", "a/photo"),
        ("a/", "a/photo"),
    ],
)
def test_the_way_to_name_a_folder_inside_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, inner: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a").mkdir()
    with zipfile.ZipFile("p.zip", "w") as archive:
        archive.writestr("a/photo/a.png", b"")
    assert open_place(text).inner("photo") == inner


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("http://ann:sesame@h/photos.zip", "photos"),
        ("http://ann:sesame@127.0.0.1:9", "target"),
        ("https://h/photos.zip?sig=sesame", "photos"),
        ("https://h/a/photos?token=sesame", "photos"),
    ],
)
def test_the_name_of_a_target_has_no_secret_of_its_url(text: str, name: str) -> None:
    assert Location(text, None, text).name == name


def test_a_long_url_is_cut_without_showing_a_piece_of_its_password() -> None:
    with pytest.raises(InvalidTargetError) as refused:
        open_place("nosuch://ann:" + "sesame" * 500 + "@host/photos.zip")
    assert "sesame" not in str(refused.value)


@given(name=st.text(max_size=300))
def test_what_a_target_is_called_can_be_a_file(name: str) -> None:
    made = storable(name)
    assert "/" not in made
    assert made == made.strip()
    assert len(os.fsencode(made)) <= 150
