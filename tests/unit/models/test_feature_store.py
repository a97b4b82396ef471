"""The cache under real processes: several writers at once, killed at any moment."""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.errors import DataWarning, InvalidSourceError
from autotransfer.models import features as module
from autotransfer.models.feature_store import FeatureStore, RowLayout
from autotransfer.models.source import Source, Untrained
from autotransfer.plugin.testing import shapes, tiny_readers, tiny_source

WRITER = """
import hashlib, sys
from pathlib import Path
import numpy as np  # noqa: E402
from autotransfer.models.feature_store import FeatureStore, RowLayout
from autotransfer.models.source import Preprocessing, Source, Untrained

source = Source("any", "any", Untrained(), Preprocessing(32))
table = FeatureStore(Path(sys.argv[1])).table(source)
table.set_layout(RowLayout((64,), 0, 1.0))
for number in range(int(sys.argv[2]), 100_000):
    digests = [hashlib.sha256(f"{number} {i}".encode()).hexdigest() for i in range(50)]
    rows = np.array([np.full(64, int(d[:6], 16), np.float32) for d in digests])
    table.append(digests, rows)
    print(number, flush=True)
"""


def _start(folder: Path, first: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(first)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_writers_that_are_killed_at_once_leave_only_whole_rows(tmp_path: Path) -> None:
    writers = [_start(tmp_path, first) for first in (0, 3, 50_000)]
    for writer in writers:  # the first two write the same images
        assert writer.stdout is not None
        writer.stdout.readline()
    time.sleep(0.5)
    for writer in writers:
        os.kill(writer.pid, signal.SIGKILL)
    written = [int(n) for writer in writers for n in writer.communicate()[0].split()]
    source = Source("any", "any", Untrained(), Preprocessing(32))
    table = FeatureStore(tmp_path).table(source)
    digests = [
        hashlib.sha256(f"{number} {i}".encode()).hexdigest()
        for number in written
        for i in range(50)
    ]
    assert len(digests) > 100
    assert all(digest in table for digest in digests)
    expected = np.array([int(digest[:6], 16) for digest in digests], dtype=np.float32)
    np.testing.assert_array_equal(table.read(digests, 0, 64), np.tile(expected, (64, 1)).T)


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_features_do_not_depend_on_the_batch_size(
    tmp_path: Path, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, source = shapes(3, 5), tiny_source()
    usual = tiny_readers(tmp_path / "usual")[source]
    expected = [usual(images, stage) for stage in range(1, usual.num_stages + 1)]
    probabilities = usual.probabilities(images)
    monkeypatch.setattr(module, "BATCH_SIZE", batch_size)
    other = tiny_readers(tmp_path / "other")[source]
    for stage, features in enumerate(expected, start=1):
        np.testing.assert_allclose(other(images, stage), features, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(other.probabilities(images), probabilities, atol=1e-5)


def test_a_full_disk_is_a_warning_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = shapes(2, 3)
    reader = tiny_readers(tmp_path)[tiny_source()]
    expected = tiny_readers(tmp_path / "another")[tiny_source()](images)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.warns(DataWarning, match="No space left on device"):
        found = reader(images)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(reader(images.subset([4])), found[[4]])
    assert list(tmp_path.rglob("*.npy")) == list((tmp_path / "another").rglob("*.npy"))


def test_threads_that_ask_one_reader_at_once_get_the_features_of_their_own_images(
    tmp_path: Path,
) -> None:
    images, source = shapes(3, 16), tiny_source()
    expected = tiny_readers(tmp_path / "alone")[source](images, 1)
    reader = tiny_readers(tmp_path / "shared")[source]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda i: reader(images.subset([i]), 1), range(len(images))))
    np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-5)
    again = tiny_readers(tmp_path / "shared")[source]
    assert not again.missing(images)
    np.testing.assert_allclose(again(images, 1), expected, atol=1e-5)


DIGESTS = [f"{i:064x}" for i in range(4)]
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


def test_rows_that_come_one_at_a_time_keep_no_file_open(tmp_path: Path) -> None:
    table = FeatureStore(tmp_path).table(tiny_source())
    table.set_layout(RowLayout((3,), 0, 1.0))
    before = set(Path("/proc/self/fd").iterdir())
    for digest, row in zip(DIGESTS, ROWS, strict=True):
        table.append([digest], row[None])
    again = FeatureStore(tmp_path).table(tiny_source())
    assert set(Path("/proc/self/fd").iterdir()) == before
    for found in (table, again):
        np.testing.assert_array_equal(found.read(DIGESTS, 0, 3), ROWS)


def _with_rows(shard: Path, change: Callable[[NDArray[np.float32]], object]) -> None:
    kept = np.load(shard)
    kept["row"] = change(kept["row"])
    np.save(shard, kept)


def _flip(shard: Path) -> None:
    content = bytearray(shard.read_bytes())
    content[-5] ^= 0xFF
    shard.write_bytes(content)


def _fifo(shard: Path) -> None:
    shard.unlink()
    os.mkfifo(shard)


@pytest.mark.parametrize(
    ("damage", "warned"),
    [
        (lambda shard: _with_rows(shard, lambda rows: np.roll(rows, 1, axis=0)), 1),
        (lambda shard: _with_rows(shard, lambda rows: rows * np.nan), 1),
        (_flip, 1),
        (lambda shard: shard.write_bytes(shard.read_bytes()[:-50]), 1),
        (lambda shard: shard.write_bytes(b""), 1),
        (lambda shard: shard.write_bytes(pickle.dumps({})), 1),
        (Path.unlink, 0),
        (_fifo, 0),
    ],
)
def test_a_shard_that_is_not_what_was_written_is_not_there(
    tmp_path: Path, damage: Callable[[Path], None], warned: int
) -> None:
    table = FeatureStore(tmp_path).table(tiny_source())
    table.set_layout(RowLayout((3,), 0, 1.0))
    for part in (slice(0, 2), slice(2, 4)):
        table.append(DIGESTS[part], ROWS[part])
    first = next(path for path in tmp_path.rglob("*.npy") if DIGESTS[0] in _digests(path))
    damage(first)
    with pytest.warns(DataWarning, match="1 file") if warned else nullcontext():
        again = FeatureStore(tmp_path).table(tiny_source())
    assert [digest in again for digest in DIGESTS] == [False, False, True, True]
    np.testing.assert_array_equal(again.read(DIGESTS[2:], 0, 3), ROWS[2:])
    FeatureStore(tmp_path).table(tiny_source())  # told once


def _digests(shard: Path) -> list[str]:
    return [digest.tobytes().hex() for digest in np.load(shard)["digest"]]


@pytest.mark.parametrize(
    "text",
    [
        '{"widths": ["a", "b"], "num_source_classes": 0, "megabytes": 1}',
        '{"widths": [3, 4], "num_source_classes": 0, "megabytes": 1}',
        '{"widths": [-3], "num_source_classes": -9, "megabytes": 1}',
        "[]",
        "{",
        "[" * 100_000,
        "",
    ],
)
def test_a_layout_that_was_changed_is_asked_of_the_network_and_the_rows_stay(
    tmp_path: Path, text: str
) -> None:
    layout = RowLayout((3,), 0, 1.0)
    table = FeatureStore(tmp_path).table(tiny_source())
    table.set_layout(layout)
    table.append(DIGESTS, ROWS)
    next(tmp_path.rglob("layout.json")).write_text(text)
    with pytest.warns(DataWarning, match="damaged or changed"):
        again = FeatureStore(tmp_path).table(tiny_source())
    assert again.layout is None
    again.set_layout(layout)
    np.testing.assert_array_equal(again.read(DIGESTS, 0, 3), ROWS)


def test_a_new_cache_is_for_its_owner_and_one_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    def modes(folder: Path) -> list[int]:
        table = FeatureStore(folder).table(tiny_source())
        table.set_layout(RowLayout((3,), 0, 1.0))
        return [path.stat().st_mode & 0o777 for path in (folder, folder / "features")]

    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o775)
    assert modes(tmp_path / "new") == [0o700, 0o700]
    assert modes(shared)[0] == 0o775


def test_features_that_are_not_finite_are_never_kept(tmp_path: Path) -> None:
    readers = tiny_readers(tmp_path)
    broken = readers[tiny_source()]
    with torch.no_grad():
        next(broken.backbone.parameters()).fill_(float("inf"))
    with pytest.raises(InvalidSourceError, match="6 of 6 images are infinite or NaN"):
        broken(shapes(2, 3))
    assert not list(tmp_path.rglob("*.npy"))


def test_a_row_layout_knows_its_columns() -> None:
    layout = RowLayout((4, 8), 3, 1.0)
    assert (layout.columns(1), layout.columns(2), layout.head_columns) == (
        (0, 4),
        (4, 12),
        (12, 15),
    )


def test_one_network_at_two_sizes_has_two_tables(tmp_path: Path) -> None:
    store, small = FeatureStore(tmp_path), tiny_source()
    large = replace(small, preprocessing=replace(small.preprocessing, input_size=64))
    table, digest = store.table(small), "aa" * 32
    table.set_layout(RowLayout((3,), 0, 1.0))
    table.append([digest], np.ones((1, 3), dtype=np.float32))
    assert digest in store.table(small)
    assert digest not in store.table(large)
