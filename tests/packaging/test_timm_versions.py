"""No version of timm that is allowed runs what a file of weights holds."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import timm
from packaging.requirements import Requirement
from typing_extensions import override

ROOT = Path(__file__).resolve().parents[2]
AWAY = ("failed to fetch", "dns error", "error sending request", "connect", "offline", "network")
CATALOGUE = """
[[source]]
name = "sent"
architecture = "test_resnet"
untrained = true
input_size = 32
kwargs = { checkpoint_path = "evil.pth" }

[[source]]
name = "weights"
architecture = "test_resnet"
weights = "evil.pth"
input_size = 32
"""
SCRIPT = """
import sys
from pathlib import Path
import timm
from autotransfer.cli import run

assert timm.__version__ == sys.argv[1], timm.__version__
Path("refused.txt").write_text(str(run(["sources", "--sources", "c.toml", "--check"])))
try:
    timm.create_model("test_resnet", checkpoint_path="evil.pth")
except Exception as error:
    print(type(error).__name__, str(error)[:200])
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class _Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    @override
    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.marker,)


def _versions() -> list[str]:
    """Return the lowest version of timm that is allowed, and the one that is tested."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    floor = next(need for need in map(Requirement, project["dependencies"]) if need.name == "timm")
    pins = map(Requirement, (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines())
    newest = next(pin for pin in pins if pin.name == "timm")
    return [next(iter(need.specifier)).version for need in (floor, newest)]


@pytest.mark.parametrize("version", _versions())
def test_a_pickle_with_a_payload_is_refused_and_not_executed(tmp_path: Path, version: str) -> None:
    if version != timm.__version__:
        _install(version, tmp_path / "timm")
    marker = tmp_path / "executed"
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"state_dict": _Payload(marker)}))
    (tmp_path / "c.toml").write_text(CATALOGUE, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, version],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "timm")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "refused.txt").read_text() == "2"
    assert "checkpoint_path" in done.stderr
    assert not marker.exists()
    with (tmp_path / "evil.pth").open("rb") as file:
        pickle.load(file)  # noqa: S301 - the payload works where it is let
    assert marker.exists()


def _install(version: str, folder: Path) -> None:
    """Install timm alone; an index that is away is no fault of ours."""
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed")
    done = subprocess.run(
        [uv, "pip", "install", "--quiet", "--no-deps", "--target", folder, f"timm=={version}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and any(word in done.stderr.lower() for word in AWAY):
        pytest.skip(f"the package index cannot be reached: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, done.stderr
