"""The environment that `make` sets up: on which Pythons, and what it says where it cannot."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from autotransfer import __version__
from autotransfer.cli.checks.programs import EXTRAS
from tests.packaging.release_check import versions

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("3.11.2", "3.12.0", "3.13.0")  # 3.11.2 is that of Debian 12
FILES = ("Makefile", "pyproject.toml", "constraints.txt")


def test_the_classifiers_name_the_pythons_that_the_constraints_are_checked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {text.rpartition(" :: ")[2] for text in project["classifiers"] if "Python ::" in text}
    assert named == {python.rpartition(".")[0] for python in PYTHONS}


def test_all_is_every_extra_and_doctor_knows_what_each_is_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(project["optional-dependencies"]) - {"all"}
    (everything,) = map(Requirement, project["optional-dependencies"]["all"])
    assert everything.name == "autotransfer"
    assert everything.extras == extras == set(EXTRAS)


def test_every_file_says_the_same_version() -> None:
    said = versions()
    assert set(said.values()) == {__version__}


def test_a_version_that_differs_or_is_missing_is_seen(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "CITATION.cff", "autotransfer/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CITATION.cff").write_text("version: 9.9\n", encoding="utf-8")
    (tmp_path / "autotransfer" / "__init__.py").write_text("", encoding="utf-8")
    said = versions(tmp_path)
    assert said["CITATION.cff"] == "9.9"
    assert said["autotransfer/__init__.py"] == "none"


@pytest.mark.parametrize("python", PYTHONS)
def test_no_pinned_version_excludes_a_python_that_is_named(python: str) -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    excluded, checked = [], 0
    for pinned in map(Requirement, lines):
        needed = _requires_python(pinned)
        checked += needed is not None
        if needed and not Requirement(f"python{needed}").specifier.contains(python):
            excluded.append(f"{pinned} needs Python {needed}")
    assert excluded == []
    if not checked:
        pytest.skip("no package is installed in the version that constraints.txt pins")


def _requires_python(pinned: Requirement) -> str | None:
    """Return what the pinned version says, "" for any Python; None where it is not installed."""
    try:
        found = distribution(pinned.name)
    except PackageNotFoundError:
        return None
    if not pinned.specifier.contains(found.version, prereleases=True):
        return None
    return str((found.metadata.get_all("Requires-Python") or [""])[0])


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_says_what_to_install_where_python_has_no_ensurepip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "ensurepip.py").write_text("raise ImportError  # as in Debian", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = subprocess.run(
        ["make", "test", f"PYTHON={sys.executable}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "apt-get install python3-venv" in done.stderr
    assert not (tmp_path / ".venv").exists()
