"""Rows of features on disk: append-only shards, read through memory maps.

A shard is one `.npy` file of (digest, row) records. It is written under a temporary name, synced
and renamed, so that a reader sees a whole shard or none, whoever is killed when. Two processes
that fill the same cache write different shards; a row that is there twice does no harm.

A shard is named by the hash of its content, and the layout holds its own hash: what was changed
or damaged is removed, and computed again. A folder that is made here is for its owner alone; who
shares a cache makes the folder first, with the mode that he wants, and trusts whoever may write.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import mmap
import os
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from autotransfer.data.atomic_files import write_whole, written_whole
from autotransfer.data.untrusted_files import plain_file, read_json
from autotransfer.errors import DataWarning
from autotransfer.models.source import Source
from autotransfer.results import Json

CACHE_VARIABLE = "AUTOTRANSFER_CACHE"
MAX_BYTES = 10 << 30
MAPPED_BYTES = 1 << 20  # smaller shards are kept in memory: a map holds a file open
_VERSION = 3  # a change of how features are computed starts a new cache
_DIGEST_BYTES = 32
_HASH_CHARACTERS = 32  # of the sha256 of a shard, its name
_LAYOUT_FILE = "layout.json"


@dataclass(frozen=True)
class RowLayout:
    """How a row divides: the pooled features of stages 1..S, then the head's probabilities.

    Args:
        widths: (S,) number of pooled features of each stage.
        num_source_classes: Z, 0 without a head.
        megabytes: Size of the network in memory, 1e6 bytes.
    """

    widths: tuple[int, ...]
    num_source_classes: int
    megabytes: float

    @property
    def width(self) -> int:
        """Return the length of a row."""
        return sum(self.widths) + self.num_source_classes

    @property
    def head_columns(self) -> tuple[int, int]:
        """Return the first and the last-plus-one column of the probabilities."""
        return sum(self.widths), self.width

    def columns(self, stage: int) -> tuple[int, int]:
        """Return the first and the last-plus-one column of a stage in 1..S."""
        if not 1 <= stage <= len(self.widths):
            raise ValueError(f"stage must be in 1..{len(self.widths)}, got {stage}")
        bounds = np.cumsum((0, *self.widths))
        return int(bounds[stage - 1]), int(bounds[stage])


def made_private(folder: Path) -> Path:
    """Return a folder of a cache, made for its owner alone where it is not there.

    Raises:
        OSError: If it cannot be made.
    """
    for missing in reversed([folder, folder.parent]):
        missing.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def default_folder() -> Path:
    """Return `AUTOTRANSFER_CACHE`, or the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else Path(platformdirs.user_cache_dir("autotransfer"))


class FeatureStore:
    """All tables of one cache folder, bounded in size.

    Args:
        folder: Where the tables are; made when first written.
        max_bytes: When all tables together grow beyond it, those used longest ago go.
    """

    def __init__(self, folder: Path | None = None, max_bytes: int = MAX_BYTES) -> None:
        self.folder = (default_folder() if folder is None else folder) / "features"
        self.max_bytes = max_bytes

    def table(self, source: Source) -> FeatureTable:
        """Return the rows of one source."""
        text = json.dumps([_VERSION, source.fingerprint])
        return FeatureTable(self.folder / hashlib.sha256(text.encode()).hexdigest()[:32], self)

    def evict(self, keep: Path) -> None:
        """Delete whole tables, least recently used first, until the rest fits."""
        tables = [path for path in self.folder.iterdir() if path.is_dir()]
        sizes = {path: sum(_size(file) for file in path.glob("*.npy")) for path in tables}
        excess = sum(sizes.values()) - self.max_bytes
        for path in sorted(tables, key=_last_use):
            if excess <= 0:
                return
            if path != keep:
                shutil.rmtree(path, ignore_errors=True)
                excess -= sizes[path]


class FeatureTable:
    """The rows of one source, by image."""

    def __init__(self, folder: Path, store: FeatureStore) -> None:
        self._folder = folder
        self._store = store
        self._writable = True
        self._last = folder  # the shard that was written last
        self._damaged = 0  # files that were changed since they were written
        self._shards: list[NDArray[np.void]] = []
        self._places: dict[str, tuple[int, int]] = {}  # digest -> (shard, position)
        self.layout = self._read_layout()
        self._open_shards()

    def __contains__(self, digest: str) -> bool:
        return digest in self._places

    def set_layout(self, layout: RowLayout) -> None:
        """Fix the meaning of the columns, before the first row."""
        self.layout = layout
        values = {**asdict(layout), "sha256": _layout_hash(layout)}
        self._guarded(lambda: write_whole(self._folder / _LAYOUT_FILE, json.dumps(values)))
        self._open_shards()  # those of a layout that was damaged

    def append(self, digests: Sequence[str], rows: NDArray[np.float32]) -> None:
        """Add finite rows, (n, width), and write them as one shard."""
        shard = np.empty(len(digests), dtype=self._record())
        shard["digest"] = [bytes.fromhex(digest) for digest in digests]
        shard["row"] = rows
        self._add(shard)
        self._guarded(lambda: self._write(shard))
        if self._writable and shard.nbytes >= MAPPED_BYTES:
            with contextlib.suppress(OSError, ValueError):  # else it stays in memory
                self._shards[-1] = np.load(self._last, mmap_mode="r", allow_pickle=False)

    def read(self, digests: Sequence[str], start: int, stop: int) -> NDArray[np.float32]:
        """Return the columns [start, stop) of the rows of these images, in order."""
        out = np.empty((len(digests), stop - start), dtype=np.float32)
        places = np.array([self._places[digest] for digest in digests]).reshape(-1, 2)
        for number in np.unique(places[:, 0]):
            wanted = np.flatnonzero(places[:, 0] == number)
            shard = self._shards[number]
            out[wanted] = shard["row"][places[wanted, 1], start:stop]
            _let_go(shard)
        return out

    def _record(self) -> np.dtype[np.void]:
        assert self.layout is not None
        return np.dtype([("digest", f"V{_DIGEST_BYTES}"), ("row", "<f4", (self.layout.width,))])

    def _add(self, shard: NDArray[np.void]) -> None:
        number = len(self._shards)
        self._shards.append(shard)
        for position, digest in enumerate(shard["digest"]):
            self._places.setdefault(digest.tobytes().hex(), (number, position))

    def _write(self, shard: NDArray[np.void]) -> None:
        content = io.BytesIO()
        np.save(content, shard)
        path = self._folder / f"{_hash(content.getvalue())}.npy"
        with written_whole(path) as temporary, temporary.open("wb") as file:
            file.write(content.getvalue())
        self._last = path
        self._store.evict(keep=self._folder)

    def _guarded(self, write: Callable[[], None]) -> None:
        """Write, or go on in memory alone when the folder cannot be written."""
        if not self._writable:
            return
        try:
            made_private(self._store.folder)
            write()
        except OSError as error:
            self._writable = False
            warnings.warn(
                f"the feature cache {self._store.folder} cannot be written ({error}); this run "
                f"keeps features in memory only. Set {CACHE_VARIABLE} to a writable folder.",
                DataWarning,
                stacklevel=2,
            )

    def _read_layout(self) -> RowLayout | None:
        path = self._folder / _LAYOUT_FILE
        try:
            layout = _layout_of(read_json(path))
        except OSError:
            return None  # not there, or not ours to read
        except Exception:  # noqa: BLE001 - whatever is in it, it is not what was written
            self._damaged += 1
            return None
        with contextlib.suppress(OSError):  # a read-only cache is still good to read
            os.utime(path)
        return layout

    def _open_shards(self) -> None:
        paths = [] if self.layout is None else sorted(self._folder.glob("*.npy"))
        for path in paths:
            try:
                self._add(_shard_in(path, self._record()))
            except OSError:
                continue  # evicted meanwhile, or not ours to read
            except Exception:  # noqa: BLE001 - whatever is in it, it is not what was written
                self._damaged += 1
                with contextlib.suppress(OSError):
                    path.unlink()
        if self._damaged:
            warnings.warn(
                f"{self._damaged} file(s) of the feature cache {self._folder} were damaged or "
                "changed; what they held is computed again",
                DataWarning,
                stacklevel=2,
            )
            self._damaged = 0


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_HASH_CHARACTERS]


def _layout_hash(layout: RowLayout) -> str:
    return _hash(json.dumps(asdict(layout), sort_keys=True).encode())


def _layout_of(values: Json) -> RowLayout:
    """Return the layout in the values of a file; an error of any kind if it is none."""
    sha256 = values.pop("sha256")
    layout = RowLayout(**{**values, "widths": tuple(values["widths"])})
    counts = (*layout.widths, layout.num_source_classes)
    usual = all(type(count) is int and count >= 0 for count in counts) and all(layout.widths)
    if sha256 != _layout_hash(layout) or not usual or not 0 <= layout.megabytes < math.inf:
        raise ValueError("it is not the layout that was written")
    return layout


def _shard_in(path: Path, record: np.dtype[np.void]) -> NDArray[np.void]:
    """Return the rows in a file, many through a map; an error of any kind if they are others."""
    content = plain_file(path).read_bytes()
    if _hash(content) != path.stem:
        raise ValueError("it is not the shard that was written")
    shard: NDArray[np.void] = (
        np.load(io.BytesIO(content), allow_pickle=False)
        if len(content) < MAPPED_BYTES
        else np.load(path, mmap_mode="r", allow_pickle=False)
    )
    if shard.dtype != record:
        raise ValueError("its rows are others")
    _let_go(shard)
    return shard


def _let_go(shard: NDArray[np.void]) -> None:
    """Give back the memory of the pages that were read; the file, and its cache, keep them."""
    mapped: object = shard.base
    if isinstance(mapped, mmap.mmap) and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _last_use(table: Path) -> float:
    try:
        return (table / _LAYOUT_FILE).stat().st_mtime
    except OSError:
        return 0.0
