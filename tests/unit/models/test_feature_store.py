"""The cache under real processes: several writers at once, killed at any moment."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.errors import DataWarning
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
