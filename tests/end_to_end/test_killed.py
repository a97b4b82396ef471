"""Fits that are killed with -9 go on where they were; see `killing`, which does it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from autotransfer.cli import run

pytestmark = pytest.mark.timeout(400)
CI = [pytest.mark.slow, pytest.mark.timeout(900)]
NIGHTLY = [pytest.mark.nightly, pytest.mark.timeout(7200)]
ROOT = Path(__file__).parents[2]

# A kill may come while anything is written, on a disk, and while MLflow makes its tables.


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    return disk_path


@pytest.fixture
def mlflow_tables() -> None:
    """None are there beforehand."""


@pytest.mark.parametrize(
    ("what", "kills", "each"),
    [
        pytest.param("fits", 10, 5, marks=CI),
        pytest.param("fits", 200, 1, marks=NIGHTLY),
        pytest.param("workers", 50, 10, marks=NIGHTLY),
    ],
)
def test_kills_at_any_moment_lose_repeat_and_damage_nothing(
    target: Path, catalogue: Path, tmp_path: Path, what: str, kills: int, each: int
) -> None:
    command = [sys.executable, "-m", "tests.end_to_end.killing", what, str(target)]
    command += [str(catalogue), str(tmp_path / "killed"), str(kills), str(each), "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert not found["faults"], "\n\n".join(found["faults"])
    assert kills <= found["kills"] < kills + each


def test_an_existing_name_without_resume_is_refused_after_a_kill(
    target: Path, catalogue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "killed").mkdir()
    command = ["fit", str(target), "--sources", str(catalogue), "--trials", "14"]
    assert run([*command, "--name", "killed", "--json"]) == 2
    assert "--resume" in capsys.readouterr().err
    assert not list((tmp_path / "killed").iterdir())
