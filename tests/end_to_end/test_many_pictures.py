"""A hundred thousand small pictures are opened, cached and ranked within 2 GiB."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[1] / "benchmarks" / "many_pictures.py"
LIMIT = 2048  # MiB


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_hundred_thousand_small_pictures_fit_into_two_gibibytes() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--pictures", "100000", "--limit", str(LIMIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "the sources were ranked" in done.stdout, done.stderr
    assert done.returncode == 0, done.stdout
