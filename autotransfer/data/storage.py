"""Places that hold images: folders, archives and fsspec URLs, opened without unpacking."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import posixpath
import re
import stat
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any
from urllib.parse import urlsplit

from fsspec.archive import AbstractArchiveFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.tar import TarFileSystem
from fsspec.implementations.zip import ZipFileSystem

from autotransfer.data.listing import named, readable, shortened
from autotransfer.errors import InvalidTargetError
from autotransfer.masking import masked_url, note_secrets

TABLES = (".npz", ".csv", ".tsv", ".jsonl", ".parquet")
MAX_READ_BYTES = 8 << 30  # of a file that is read as a whole: a table, arrays
MAX_UNPACKED_BYTES = 64 << 30  # of one compressed tar; more is refused

_LONGEST_NAME = 150  # bytes; file systems take 255, and something is added to it
_ARCHIVE = re.compile(r"\.(zip|tar|tgz|tbz2?|txz|tar\.(gz|bz2|xz))$", re.IGNORECASE)
_COMPRESSIONS: dict[bytes, Any] = {  # by the first bytes, whatever the file is called
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_SPECIAL = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_LONGEST_SHOWN = 1000  # characters of a place in a message
_ENCRYPTED, _UTF8 = 0x1, 0x800  # flags of a zip member


def special_file(path: str | os.PathLike[str]) -> str | None:
    """Return what a local path is that must not be read: "a named pipe", "a socket", "a device".

    None stands for a file, a folder, and what is not there; a link is what it leads to.
    """
    try:
        return _SPECIAL.get(stat.S_IFMT(os.stat(path).st_mode))  # noqa: PTH116 - also for bytes
    except (OSError, ValueError):
        return None


@dataclass(frozen=True)
class Location:
    """An opened folder, archive or file.

    Args:
        text: As the user wrote it, readable.
        filesystem: The fsspec file system that holds it.
        root: Its path in the file system; "" is the whole of an archive.
        protocol: "zip" or "tar" where `text` is the name of an archive; else "".
    """

    text: str
    filesystem: Any
    root: str
    protocol: str = ""

    @property
    def table(self) -> bool:
        """Return whether the name is that of an array file or a manifest."""
        return self.root.lower().endswith(TABLES)

    @property
    def name(self) -> str:
        """Return a short name, for files too: the archive or folder, and the part in use."""
        chained = "::" in self.text
        whole = self.text.rpartition("::")[2] if chained else self.root or self.text
        if "://" in whole:
            whole = urlsplit(masked_url(whole)).path
        outer = PurePosixPath(whole)
        stem = outer.stem if self.table and not chained else _ARCHIVE.sub("", outer.name)
        inner = self.root.strip("/").split("/") if chained else []
        return storable("-".join(part for part in (stem, *inner) if part)) or "target"

    def inner(self, folder: str) -> str:
        """Return how to name a folder of this place instead of the whole."""
        if self.protocol:
            return f"{self.protocol}://{folder}::{self.text}"
        head, chain, rest = self.text.partition("::")
        slash = "" if head.endswith("/") else "/"
        return f"{head}{slash}{folder}{chain}{rest}"

    def read(self) -> bytes:
        """Return the content of a file.

        Raises:
            InvalidTargetError: If it is larger than the limit; an archive may hold anything.
        """
        if (self.filesystem.size(self.root) or 0) > MAX_READ_BYTES:
            raise InvalidTargetError(
                f"{self.text}: larger than {MAX_READ_BYTES >> 30} GiB, the limit"
            )
        content: bytes = self.filesystem.cat_file(self.root)
        return content


def storable(name: str) -> str:
    """Return a name as files, studies and MLflow can all have it."""
    printable = "".join(c if c.isprintable() and c not in "/\\" else "_" for c in name)
    cut = printable.strip().lstrip("-").encode()[:_LONGEST_NAME].decode(errors="ignore")
    return cut.rstrip(" .")


@dataclass(frozen=True)
class Entry:
    """A file or folder below a place: its path in the file system and its path below."""

    path: str
    below: str
    folder: bool


def open_place(text: str) -> Location:
    """Return a folder, an archive or a file by its path or fsspec URL.

    Raises:
        InvalidTargetError: If there is no such place, or it cannot be read.
    """
    if not text:  # a variable that is not set
        raise InvalidTargetError("the path is empty; write . for the working folder")
    note_secrets(text)
    shown = shortened(masked_url(text), _LONGEST_SHOWN)
    try:
        place = _locate(text)
        found = _ARCHIVE.search(place.root)
        if found is None or not place.filesystem.isfile(place.root):
            return place
        protocol = "zip" if found.group(1).lower() == "zip" else "tar"
        return Location(readable(text), _archive(place, protocol), "", protocol)
    except InvalidTargetError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InvalidTargetError(f"{shown}: no such file or folder") from error
    except Exception as error:
        raise InvalidTargetError(f"{shown}: cannot be opened ({shortened(error)})") from error


def entries(place: Location) -> list[Entry]:
    """Return every file and folder below a place, in no order.

    Raises:
        InvalidTargetError: If an archive holds names that lead out of it, devices or pipes, or
            a folder cannot be read.
    """
    filesystem = place.filesystem
    try:
        if isinstance(filesystem, LocalFileSystem):
            return list(_walk(place.root))
        if isinstance(filesystem, ZipFileSystem):
            members = [(info.filename, info.is_dir()) for info in filesystem.zip.infolist()]
        elif isinstance(filesystem, TarFileSystem):
            found = filesystem.tar.getmembers()
            _refuse_special([member.name for member in found if member.isdev()], place)
            members = [
                (member.name, member.isdir())
                for member in found
                if member.isfile() or member.isdir() or member.issym() or member.islnk()
            ]
        else:
            found = filesystem.find(place.root, withdirs=True, detail=True)
            members = [(path, info["type"] == "directory") for path, info in found.items()]
    except InvalidTargetError:
        raise
    except Exception as error:
        raise InvalidTargetError(f"{place.text}: cannot be read ({shortened(error)})") from error
    return list(_below(place, members))


def _refuse_special(names: list[str], place: Location) -> None:
    if names:
        raise InvalidTargetError(
            f"{place.text}: {named(names)} in it is a device or a named pipe, not a file; make "
            "the archive without it"
        )


def _locate(text: str) -> Location:
    """Return a place by its name; an archive that is named without a chain stays a file."""
    head, chain, rest = text.partition("::")
    protocol, _, inner = head.partition("://")
    if chain and protocol in ("zip", "tar"):
        return Location(readable(text), _archive(_locate(rest), protocol), inner.strip("/"))
    if "://" in text:
        place = Location(readable(text), *url_to_fs(text))
    else:
        path = Path(text).expanduser().resolve(strict=True)
        place = Location(readable(text), LocalFileSystem(), str(path))
    special = isinstance(place.filesystem, LocalFileSystem) and special_file(place.root)
    if special:
        raise InvalidTargetError(
            f"{place.text}: {special}, not a file; write what it holds to a file first"
        )
    return place


def _archive(place: Location, protocol: str) -> Any:
    """Return the file system inside a file.

    Reading one member of a compressed tar decompresses everything before it, so that is copied.
    """
    content: Any = place.filesystem.open(place.root, "rb")
    try:
        if protocol == "zip":
            return _zip(content, place.text)
        start = content.read(max(map(len, _COMPRESSIONS)))
        content.seek(0)
        for magic, decompressed in _COMPRESSIONS.items():
            if start.startswith(magic):
                with content, decompressed(content) as stream:
                    content = _plain_tar(stream, place.text)
                break
        opened = TarFileSystem(fo=content)
    except BaseException:
        content.close()
        raise
    weakref.finalize(opened, content.close)
    return opened


def _zip(content: IO[bytes], text: str) -> ZipFileSystem:
    """Return a zip whose names are as most programs write them: slashes, and letters in UTF-8."""
    opened = ZipFileSystem(fo=content)
    members = opened.zip.infolist()
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise InvalidTargetError(f"{text}: it has a password; unpack it and name the folder")
    for member in members:
        name = member.filename
        if not (name.isascii() or member.flag_bits & _UTF8):
            with contextlib.suppress(UnicodeError):  # some write UTF-8 and do not say so
                name = name.encode("cp437").decode("utf-8")
        member.filename = name.replace("\\", "/")  # zipfile finds it by `orig_filename`
        opened.zip.NameToInfo[member.filename] = member
    return opened


class _PlainTar(io.BufferedRandom):
    """A file without a name; fsspec tells from the path that it is not compressed."""

    path = "plain.tar"


def _plain_tar(stream: IO[bytes], text: str) -> IO[bytes]:
    """Return a compressed tar as a plain one, in a file that has no name on the disk."""
    plain = _PlainTar(tempfile.TemporaryFile(buffering=0))  # noqa: SIM115 - closed at the end
    with contextlib.ExitStack() as failed:
        failed.callback(plain.close)
        while block := stream.read(1 << 20):
            plain.write(block)
            if plain.tell() > MAX_UNPACKED_BYTES:
                raise InvalidTargetError(
                    f"{text}: unpacks to more than {MAX_UNPACKED_BYTES >> 30} GiB, the limit"
                )
        plain.seek(0)
        failed.pop_all()
    return plain


def _walk(root: str) -> Iterator[Entry]:
    """Yield what is below a local folder; a link to a folder above it is left out."""
    if not Path(root).is_dir():
        return
    waiting: list[tuple[Path, frozenset[Path]]] = [(Path(root), frozenset({Path(root)}))]
    while waiting:
        folder, above = waiting.pop()
        for path in folder.iterdir():
            below = path.relative_to(root).as_posix()
            if os.path.isdir(path):  # noqa: PTH112 - False, not an error, for a link to itself
                real = path.resolve()
                if real not in above:
                    yield Entry(str(path), below, folder=True)
                    waiting.append((path, above | {real}))
            else:  # a broken link is a missing image, a pipe is one that cannot be used
                yield Entry(str(path), below, folder=False)


def _below(place: Location, members: Iterable[tuple[str, bool]]) -> Iterator[Entry]:
    """Yield the members of an archive, or of a remote store, that lie below the root."""
    root = place.root.strip("/")
    in_archive = isinstance(place.filesystem, AbstractArchiveFileSystem)
    for path, folder in members:
        parts = PurePosixPath(path).parts
        if ".." in parts or (in_archive and PureWindowsPath(path).root):
            raise InvalidTargetError(
                f"{place.text}: refused, since the name {named([path])} in it leads out of it"
            )
        name = posixpath.normpath(path).strip("/")
        if root and not name.startswith(f"{root}/"):
            continue
        below = name[len(root) + 1 :] if root else name
        if below not in ("", "."):
            yield Entry(path.rstrip("/"), below, folder)
