from __future__ import annotations

import io
import os
import pickle
import signal
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autotransfer.data.target import open_target
from autotransfer.plugin.testing import shapes
from autotransfer.search.executors.image_spool import (
    PackedReader,
    packed,
    remove_spool,
    spool_folder,
    sweep_spools,
)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    images = shapes(2, 4)
    path = tmp_path / "bars.zip"
    with zipfile.ZipFile(path, "w") as file:
        for i in range(len(images)):
            picture = tmp_path / f"{i}.png"
            images[i].save(picture)
            file.write(picture, f"{images.class_names[images.labels[i]]}/{i}.png")
    return path


def test_pictures_of_an_archive_are_copied_out_and_stay_the_same(
    archive: Path, tmp_path: Path
) -> None:
    images = open_target(str(archive)).train.subset([5, 0, 3])
    copy = packed(images, tmp_path / "spool")
    assert copy is not None
    assert isinstance(copy.reader, PackedReader)
    sent = pickle.loads(pickle.dumps(copy))  # noqa: S301 - what a connection does
    assert sent.fingerprint == images.fingerprint
    assert sent.names == images.names
    for i in range(3):
        np.testing.assert_array_equal(np.asarray(sent[i]), np.asarray(images[i]))


def test_arrays_and_nothing_stay_as_they_are(tmp_path: Path) -> None:
    images = shapes(2, 2)
    assert packed(images, tmp_path / "spool") is images
    assert not (tmp_path / "spool").exists()


def test_the_copies_of_a_killed_process_are_deleted_by_the_next_and_no_others(
    tmp_path: Path,
) -> None:
    reading, writing = os.pipe()
    processes = []
    for _ in range(2):
        process = os.fork()
        if not process:
            (spool_folder(tmp_path) / "a.items").touch()
            os.write(writing, b".")
            signal.pause()
        processes.append(process)
    assert len(os.read(reading, 1) + os.read(reading, 1)) == 2
    ours = spool_folder(tmp_path)
    os.kill(processes[0], signal.SIGKILL)
    os.waitpid(processes[0], 0)
    sweep_spools(tmp_path)
    left = [path for path in (tmp_path / "spool").iterdir() if path.is_dir()]
    assert len(left) == 2
    assert ours in left
    os.kill(processes[1], signal.SIGKILL)
    os.waitpid(processes[1], 0)
    sweep_spools(tmp_path)
    remove_spool(ours)
    assert not list((tmp_path / "spool").iterdir())


def test_the_depth_of_deep_images_goes_to_the_worker(tmp_path: Path) -> None:
    values = np.arange(0, 4096, 16, dtype=np.uint16).reshape(16, 16)
    with zipfile.ZipFile(tmp_path / "deep.zip", "w") as file:
        for name in ("a/0.png", "a/1.png", "b/2.png", "b/3.png"):
            stream = io.BytesIO()
            Image.fromarray(values + int(name[2])).save(stream, "PNG")
            file.writestr(name, stream.getvalue())
    images = open_target(str(tmp_path / "deep.zip")).train
    sent = pickle.loads(pickle.dumps(packed(images, tmp_path / "spool")))  # noqa: S301 - as above
    assert isinstance(sent.reader, PackedReader)
    assert sent.depth == images.depth == 12
    assert sent.pixel_keys == images.pixel_keys
    np.testing.assert_array_equal(np.asarray(sent[0])[..., 0], values >> 4)
