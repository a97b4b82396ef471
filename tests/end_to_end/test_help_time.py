"""`autotransfer --help` is there at once."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

import pytest

REPEATS = 9
MOST = 3.0  # times what importing the two libraries takes


def _seconds(*arguments: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


@pytest.mark.slow
def test_help_takes_at_most_three_times_as_long_as_importing_click_and_pluggy() -> None:
    bare, help_page = [], []
    for _ in range(REPEATS):  # in turn, so that what else the machine does slows both
        bare.append(_seconds("-c", "import click, pluggy"))
        help_page.append(_seconds("-m", "autotransfer", "--help"))
    assert median(help_page) <= MOST * median(bare), (median(help_page), median(bare))
