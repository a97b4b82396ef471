from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from autotransfer.cli.checks import examine, places, programs, reach
from autotransfer.cli.checks.finding import Finding


def by_part(found: list[Finding]) -> dict[str, Finding]:
    return {finding.part: finding for finding in found}


def test_this_environment_is_right_and_nothing_is_left_behind(tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    found = by_part(examine(tmp_path))
    assert found["python"].state == found["torch"].state == found["plugins"].state == "ok"
    assert "hub" not in found
    assert set(tmp_path.iterdir()) == before


def test_a_torchvision_for_another_torch_is_wrong_with_the_pair_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(programs, "_wanted_torch", lambda: "1.0.0")
    found = programs.look_at_torchvision()
    vision = torchvision.__version__.partition("+")[0]
    assert found.state == "wrong"
    assert f"'torch==1.0.0' 'torchvision=={vision}'" in found.remedy


def test_an_old_python_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 1, "final", 0))
    assert programs.look_at_python().state == "wrong"


def test_more_threads_than_cores_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 10_000)
    found = programs.look_at_threads()
    assert found.state == "note"
    assert "OMP_NUM_THREADS" in found.remedy


def test_a_gpu_that_torch_cannot_use_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("shutil.which", lambda _name: "/usr/bin/nvidia-smi")
    assert programs.look_at_cuda().state == "wrong"


def test_a_damaged_table_of_the_cache_is_named(tmp_path: Path) -> None:
    table = tmp_path / "cache" / "features" / "abc"
    table.mkdir(parents=True)
    np.save(table / "good.npy", np.zeros(3))
    assert by_part(places.look_at_cache())["cache content"].state == "ok"
    (table / "bad.npy").write_bytes(b"half")
    found = by_part(places.look_at_cache())["cache content"]
    assert found.state == "wrong"
    assert "abc" in found.found


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_wrong(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        assert places.look_at_workspace(tmp_path)[0].state == "wrong"
    finally:
        tmp_path.chmod(0o700)


def test_a_place_that_is_a_file_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    found = places.look_at_workspace(tmp_path / "file")[0]
    assert found.state == "wrong"
    assert "cannot be written" in found.found


def test_a_damaged_database_is_wrong_and_a_whole_one_is_right(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "mlflow.db")
    connection.execute("CREATE TABLE a (b)")
    connection.commit()
    connection.close()
    (tmp_path / "autotransfer.db").write_bytes(b"no database" * 100)
    found = by_part(places.look_at_workspace(tmp_path))
    assert found["mlflow.db"].state == "ok"
    assert found["autotransfer.db"].state == "wrong"


def test_a_broken_plugin_file_is_named(tmp_path: Path) -> None:
    plugin = tmp_path / "broken_one.py"
    plugin.write_text("raise RuntimeError('no luck')\n")
    found = reach.look_at_plugins([plugin])
    assert found[0].state == "wrong"
    assert "broken_one" in found[0].found


def test_a_hub_that_does_not_answer_is_wrong_with_the_ways_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    found = reach.look_at_hub()
    assert found.state == "wrong"
    assert "catalogue of local files" in found.remedy
