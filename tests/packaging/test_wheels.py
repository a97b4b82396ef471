"""The wheels of autotransfer and of the example plugin, in an environment with nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end.conftest import write_bars

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "autotransfer-nearest-mean"
AWAY = ("failed to fetch", "dns error", "error sending request", "connect", "offline", "network")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
Run = Callable[..., subprocess.CompletedProcess[str]]


def _run(*command: str | Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def _uv(*arguments: str | Path, folder: Path) -> None:
    """Run uv; an index that is away is no fault of the wheels."""
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed")
    done = _run(uv, *arguments, folder=folder)
    if done.returncode and any(word in done.stderr.lower() for word in AWAY):
        pytest.skip(f"the package index cannot be reached: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def clean(disk_folder: Path) -> Path:
    """The folder of the programs of an environment with both wheels.

    On a disk, where uv links the files of its cache instead of copying some gigabytes.
    """
    folder = disk_folder
    wheels = folder / "wheels"
    for project in (ROOT, EXAMPLE):
        # by way of the source archive, as an index does
        _uv("build", "--quiet", "--out-dir", wheels, project, folder=folder)
    built = sorted(wheels.glob("*.whl"))
    assert [wheel.name.split("-")[0] for wheel in built] == [
        "autotransfer",
        "autotransfer_nearest_mean",
    ]
    _uv("venv", "--quiet", "--python", sys.executable, folder / "env", folder=folder)
    python = folder / "env" / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    _uv("pip", "install", "--quiet", "--python", python, "-c", constraints, *built, folder=folder)
    return python.parent


@pytest.fixture
def autotransfer(clean: Path, tmp_path: Path, mlflow_tables: None) -> Run:
    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        cache = str(clean / "cache")
        return _run(clean / "autotransfer", *arguments, folder=tmp_path, AUTOTRANSFER_CACHE=cache)

    return run


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    """Images of three classes to learn from and to test on, and a catalogue beside them."""
    write_bars(tmp_path / "bars.npz")
    (tmp_path / "catalogue.toml").write_text(
        "".join(
            f'[[source]]\nname = "tiny-{seed}"\narchitecture = "test_resnet"\nuntrained = true\n'
            f'seed = {seed}\nkwargs = {{ num_classes = 0 }}\ninput_size = 32\nlicense = "none"\n'
            for seed in range(2)
        )
    )
    return tmp_path


def test_the_example_is_found_and_passes_the_contract_without_pytest(
    clean: Path, autotransfer: Run, tmp_path: Path
) -> None:
    assert _run(clean / "python", "-c", "import pytest", folder=tmp_path).returncode == 1
    listed = autotransfer("plugins")
    assert "nearest-mean (autotransfer-nearest-mean 0.1.0)" in listed.stdout
    assert "broken" not in listed.stdout
    checked = autotransfer("plugins", "--check", "nearest-mean")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.endswith("nearest-mean: 14 kept, 0 broken\n")


def test_the_example_wins_or_loses_in_a_fit_like_any_other(autotransfer: Run, bars: Path) -> None:
    fit = ("fit", "bars.npz", "--sources", "catalogue.toml", "--trials", "2", "--json")
    both = ("--strategy", "nearest-mean", "--strategy", "feature-extraction")
    done = autotransfer(*fit, *both, "--out", "both")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["strategy"] in both
    record = json.loads((bars / "both" / "selection.json").read_text(encoding="utf-8"))
    tried: dict[str, list[float]] = {"nearest-mean": [], "feature-extraction": []}
    for outcome in record["outcomes"]:
        tried[outcome["strategy"]].append(outcome["value"])
    assert all(values and np.isfinite(values).all() for values in tried.values())


@pytest.mark.nightly
def test_what_the_example_saves_is_restored_in_another_process(
    autotransfer: Run, bars: Path
) -> None:
    fit = ("fit", "bars.npz", "--sources", "catalogue.toml", "--trials", "2", "--json")
    done = autotransfer(*fit, "--strategy", "nearest-mean", "--out", "alone", "--no-report")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["strategy"] == "nearest-mean"
    predicted = autotransfer("predict", "alone", "bars.npz", "--json")
    assert predicted.returncode == 0, predicted.stderr
    assert json.loads(predicted.stdout)["predictions"]


def test_the_tests_of_the_example_pass(clean: Path, tmp_path: Path) -> None:
    constraints = ROOT / "constraints.txt"
    _uv(
        "pip", "install", "--quiet", "--python", clean / "python", "--target", tmp_path / "more",
        "-c", constraints, "pytest", folder=tmp_path,
    )  # fmt: skip
    tests = shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    done = _run(
        clean / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", tests,
        folder=tmp_path, PYTHONPATH=str(tmp_path / "more"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
