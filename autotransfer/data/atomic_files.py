"""Files and folders that appear whole or not at all, whoever is killed and whatever is full."""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

_TEMPORARY = re.compile(r"[0-9a-f]{32}\.tmp")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a place beside `path` to write a file or a folder; at the end it is moved to `path`.

    A file that is there already is replaced, a folder only if it is empty; where `path` is a link
    to a file, that file. Two processes that write the same path do not meet. What is written is
    on the disk before it is moved, with the permissions that the umask says. After an error
    nothing is moved and nothing stays behind.

    Raises:
        OSError: If it cannot be written, whatever library writes it; or `path` is a device or a
            pipe, which a move would replace.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(f"{path} is neither a file nor a folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        yield temporary
        _settle(temporary)
        temporary.replace(path)
    except BaseException as error:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            with suppress(OSError):
                temporary.unlink()
        if isinstance(error, SafetensorError):  # its own error for a full disk
            raise OSError(str(error)) from error
        raise
    with suppress(OSError):  # some file systems cannot
        _sync(path.parent)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file, text as UTF-8, whole or not at all; to a device or a pipe it is just written.

    Raises:
        OSError: If it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_bytes(data)
        return
    with written_whole(path) as temporary:
        temporary.write_bytes(data)


def remove_abandoned(folder: Path, pattern: str, older_than: float = 0.0) -> None:
    """Delete what killed processes were writing.

    Args:
        folder: Where to look.
        pattern: As of `Path.glob`, of the files and folders below it; others stay.
        older_than: Seconds since something was last written; none that is still written is older.
    """
    before = time.time() - older_than
    for path in folder.glob(pattern):
        with suppress(OSError):
            if not _TEMPORARY.fullmatch(path.name) or path.stat().st_mtime > before:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _settle(temporary: Path) -> None:
    """Bring what was written to the disk, and open it to whom the umask opens new files."""
    mode = _mode_beside(temporary)
    found = temporary.rglob("*") if temporary.is_dir() else [temporary]
    for path in found:
        if path.is_file():
            with suppress(OSError):  # some file systems have no permissions
                path.chmod(mode)  # safetensors writes for the owner alone
            _sync(path)
    if temporary.is_dir():
        _sync(temporary)


def _mode_beside(path: Path) -> int:
    """Return the permissions of new files: the umask itself is told only where it is set.

    To set it would change the files of other threads, and two that do so at once leave it set.
    """
    new = _temporary(path)
    descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        return stat.S_IMODE(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)
        new.unlink()


def _temporary(path: Path) -> Path:
    return path.with_name(f"{uuid.uuid4().hex}.tmp")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
