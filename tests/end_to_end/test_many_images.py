"""Small images are opened, cached and ranked within a limit of MiB."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[1] / "benchmarks" / "many_pictures.py"


@pytest.mark.nightly
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(("pictures", "limit"), [(8_000, 1280), (100_000, 2048)])
def test_many_small_pictures_fit_into_memory(disk_path: Path, pictures: int, limit: int) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--images", str(pictures), "--limit", str(limit)],
        env={**os.environ, "TMPDIR": str(disk_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "the sources were ranked" in done.stdout, done.stderr
    assert done.returncode == 0, done.stdout
