"""Files that anybody may have written: catalogues, models, weights, arrays, caches.

What is no plain file is refused before it is opened, since reading it may never end; and whatever
a library raises about the content becomes one error of ours, of one line, with the file's name.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from autotransfer.data.storage import special_file
from autotransfer.errors import AutotransferError
from autotransfer.masking import masked
from autotransfer.results import Json

LONGEST_REASON = 300  # characters of what a library says


def plain_file(path: Path) -> Path:
    """Return the path of a plain file, or of a link to one.

    Raises:
        OSError: If there is none, or it is a folder, named pipe, socket or device.
    """
    if stat.S_ISDIR(path.stat().st_mode):
        raise IsADirectoryError(f"{path.name} is a folder, not a file")
    if special := special_file(path):
        raise OSError(f"{path.name} is {special}, not a file")
    return path


def read_json(path: Path) -> Json:
    """Return the values in a JSON file.

    Raises:
        OSError: If it is no plain file, or cannot be read.
        ValueError: If it is not JSON in UTF-8.
    """
    try:
        return json.loads(plain_file(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is not JSON: {error}") from error


def read_object(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        OSError: If it is no plain file, or cannot be read.
        ValueError: If it holds none.
    """
    found = read_json(path)
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} holds no JSON object")  # noqa: TRY004 - as other content
    return found


@contextmanager
def content_of(path: Path) -> Iterator[None]:
    """Within the block, name the file in what is raised about what it holds."""
    try:
        yield
    except AutotransferError:
        raise
    except Exception as error:
        said = reason(error)
        raise ValueError(said if path.name in said else f"{path.name}: {said}") from error


@contextmanager
def refused_as(kind: type[AutotransferError], what: str) -> Iterator[None]:
    """Within the block, turn whatever a library raises into an error of ours: `what`, then why.

    Args:
        kind: The error, which takes a message.
        what: The file and what cannot be done with it.
    """
    try:
        yield
    except AutotransferError:
        raise
    except Exception as error:
        raise kind(f"{what} ({reason(error)})") from error


def reason(error: Exception) -> str:
    """Return what an error says, in one short line without secrets."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        text = masked(first["msg"].removeprefix("Value error, "))
        return f"{place}: {text}"[:LONGEST_REASON] if place else text[:LONGEST_REASON]
    said = masked(str(error))  # before it is cut: half a secret is not found
    if isinstance(error, KeyError):
        return f"{said[:LONGEST_REASON]} is missing"
    if isinstance(error, OSError) and error.strerror:
        name = f"{Path(masked(str(error.filename))).name[-80:]}: " if error.filename else ""
        return name + error.strerror
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    name = type(error).__name__
    if isinstance(error, AssertionError | MemoryError | RecursionError) or not lines:
        lines = [f"{name}: {lines[0]}" if lines else name]
    return lines[0][:LONGEST_REASON]
