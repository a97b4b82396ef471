"""The folders that a fit writes to: room, rights and what lies in them."""

from __future__ import annotations

import json
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import numpy as np

from autotransfer.cli.checks.finding import Finding
from autotransfer.models.feature_store import CACHE_VARIABLE, MAX_BYTES, default_folder
from autotransfer.search.storage import STORAGE_FILE
from autotransfer.tracking.places import STORE_FILE

LEAST_FREE = 1 << 30
_NAMED = 5


def look_at_cache() -> list[Finding]:
    """Return whether the cache can be written, has room, and can be read back."""
    folder = default_folder()
    problem = _refused(folder)
    if problem:
        remedy = f"make it writable, or name another folder in {CACHE_VARIABLE}"
        return [Finding("cache", "wrong", f"{folder}: {problem}", remedy)]
    room = _room("cache", folder, MAX_BYTES, f"free some, or name another in {CACHE_VARIABLE}")
    broken = list(_broken_tables(folder / "features"))
    if not broken:
        return [room, Finding("cache content", "ok", f"every table in {folder} can be read")]
    named = ", ".join(path.name for path in broken[:_NAMED])
    found = f"{len(broken)} table(s) in {folder / 'features'} cannot be read: {named}"
    remedy = "delete these folders; their features are computed again when they are needed"
    return [room, Finding("cache content", "wrong", found, remedy)]


def look_at_workspace(folder: Path) -> list[Finding]:
    """Return whether the workspace can be written, has room, and its databases are whole."""
    problem = _refused(folder)
    if problem:
        remedy = "make it writable, or work in another folder"
        return [Finding("workspace", "wrong", f"{folder.resolve()}: {problem}", remedy)]
    found = [_room("workspace", folder, LEAST_FREE, "free some, or work in another folder")]
    names = [name for name in (STORAGE_FILE, STORE_FILE) if (folder / name).is_file()]
    return [*found, *(_database(folder / name) for name in names)]


def _refused(folder: Path) -> str:
    """Return why nothing can be written there; empty where it can."""
    probe = folder / f".{uuid.uuid4().hex}"
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
        if new:
            folder.rmdir()
    except OSError as error:
        return f"cannot be written ({error.strerror or error})"
    return ""


def _room(part: str, folder: Path, wanted: int, remedy: str) -> Finding:
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    found = f"{folder.resolve()}: {free / 1e9:.1f} GB free"
    if free < LEAST_FREE:
        return Finding(part, "wrong", found, f"a fit may need {LEAST_FREE / 1e9:.0f} GB: {remedy}")
    if free < wanted:
        return Finding(part, "note", found, f"it may grow to {wanted / 1e9:.0f} GB: {remedy}")
    return Finding(part, "ok", found)


def _broken_tables(folder: Path) -> Iterator[Path]:
    """Yield the tables of which a shard or the layout cannot be read."""
    for table in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            for shard in table.glob("*.npy"):
                np.load(shard, mmap_mode="r", allow_pickle=False)
            for layout in table.glob("*.json"):
                json.loads(layout.read_text(encoding="utf-8"))
        except (OSError, ValueError, EOFError):
            yield table


def _database(path: Path) -> Finding:
    uri = f"file:{quote(str(path.resolve()))}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as found:
            answer = found.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        answer = str(error)
    if answer == "ok":
        return Finding(path.name, "ok", "whole")
    remedy = "move it away and take a copy of yours; the folders of the fits have their records"
    return Finding(path.name, "wrong", f"damaged or locked ({answer})", remedy)
